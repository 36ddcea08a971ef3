package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shell is a stage that a shell plays.
func shell(name, script string, limit time.Duration, read func(*Result, string)) stage {
	return stage{Name: name, What: "what of " + name, limit: limit, dir: ".", args: []string{"sh", "-c", script}, read: read}
}

const tests = `echo '=== RUN   TestGolden
=== RUN   TestGolden/net_f16
    golden_cuda_test.go:80: error 6.1e-04 of the largest output, 1.0e-03 with other inputs
=== RUN   TestGolden/net_f32
    golden_cuda_test.go:80: error 1.2e-07 of the largest output, 0.0e+00 with other inputs
=== NAME  TestTraining/resnet8
    train_cuda_test.go:70: weights differ by at most 2.0e-06 of their largest, half of the tensors by 1.0e-07
--- PASS: TestGolden (1.00s)
    --- PASS: TestGolden/net_f16 (0.50s)'`

// TestCheck: what programs say comes out as results, none runs beyond its time or
// everybody's, one that is missing is no failure, and the report is there twice.
func TestCheck(t *testing.T) {
	none := shell("none", "", time.Minute, readLine)
	none.args[0] = "no-such-program"
	r, err := check([]stage{
		shell("device", "echo 'NVIDIA X, 1.2'; echo more", time.Minute, readLine),
		none,
		shell("golden", tests, time.Minute, readTest),
		shell("broken", `echo '=== RUN   TestIt'; echo '        	Error:      	 1 | 2'; echo '--- FAIL: TestIt (0.00s)'; exit 1`, time.Minute, readTest),
		shell("skips", `echo '--- SKIP: TestIt (0.00s)'`, time.Minute, readTest),
		shell("slow", "exec sleep 20", 50*time.Millisecond, readTest),
		shell("bench", `echo '{"device":"X","results":[{"network":"n","batch":2,"precision":"f16","median_ms":3,"images_per_s":666,"torch_median_ms":6}]}'`, time.Minute, readBench),
		shell("nothing", `echo '{"skipped":"no device"}'`, time.Minute, readBench),
		shell("no report", "echo hello", time.Minute, readBench),
	}, time.Minute, "")
	require.NoError(t, err)
	require.True(t, r.Failed())
	require.Equal(t, "NVIDIA X, 1.2", r.Device)
	status := map[string]string{}
	for _, s := range r.Stages {
		status[s.Name] = s.Status
	}
	require.Equal(t, map[string]string{"device": passed, "none": skipped, "golden": passed, "broken": failed, "skips": skipped, "slow": late,
		"bench": passed, "nothing": skipped, "no report": failed}, status)
	require.Equal(t, map[string]float64{"TestGolden/net_f16": 6.1e-4, "TestGolden/net_f16, other inputs": 1e-3, "TestGolden/net_f32": 1.2e-7,
		"TestGolden/net_f32, other inputs": 0, "TestTraining/resnet8": 2e-6}, r.Stages[2].Facts)
	require.Equal(t, "TestIt", r.Stages[3].Why)
	require.Less(t, r.Stages[5].Seconds, 10.0)

	dir := filepath.Join(t.TempDir(), "out")
	require.NoError(t, r.write(dir))
	text, err := os.ReadFile(filepath.Join(dir, "check.json"))
	require.NoError(t, err)
	var again Report
	require.NoError(t, json.Unmarshal(text, &again))
	require.Len(t, again.Stages, 9)
	table, err := os.ReadFile(filepath.Join(dir, "check.md"))
	require.NoError(t, err)
	for _, want := range []string{"# Checked on NVIDIA X, 1.2\n", "| golden: what of golden | passed, 2 tests |", "1.0e-03, TestGolden/net_f16, other inputs |",
		"failed, 1 tests: TestIt (1 / 2)", "| n | 2 | f16 | 3.000 | 666 | 6.000 | 0.50 |"} {
		require.Contains(t, string(table), want)
	}

	r, err = check([]stage{shell("a", "sleep 0.1", time.Minute, readTest), shell("b", "", time.Minute, readTest)}, time.Second, "")
	require.NoError(t, err)
	require.Equal(t, "not begun", r.Stages[1].Why)
	_, err = check(nil, time.Minute, "x")
	require.ErrorContains(t, err, `no stage "x"`)
}

// TestStages: every stage is within the limit for all, has a program, a folder that is
// there and a name of its own.
func TestStages(t *testing.T) {
	t.Chdir("../..")
	seen := map[string]bool{}
	for _, s := range stages("bin/gpu", "python3", nil) {
		require.False(t, seen[s.Name])
		seen[s.Name] = true
		require.NotEmpty(t, s.args)
		require.DirExists(t, s.dir)
		require.NotNil(t, s.read)
		require.LessOrEqual(t, s.limit, 4*time.Minute)
	}
}
