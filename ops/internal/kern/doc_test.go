package kern

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocNamesSwitches: the list in doc.go has every family of switches, and files that are there.
func TestDocNamesSwitches(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for _, name := range regexp.MustCompile(`\b\w+\.go\b`).FindAllString(string(doc), -1) {
		_, err := os.Stat(name)
		require.NoError(t, err)
	}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	registered := regexp.MustCompile(`cpu\.Register(?:For)?\("(\w+)/`)
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		for _, m := range registered.FindAllStringSubmatch(string(b), -1) {
			if family := m[1]; !strings.HasSuffix(family, "pays") && !strings.HasSuffix(family, "slow") {
				require.Contains(t, string(doc), family+"/…", "%s: doc.go does not list it", f)
			}
		}
	}
}
