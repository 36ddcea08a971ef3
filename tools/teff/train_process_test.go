//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// TestMain makes the test binary the command where a test starts it as such,
// to be killed or to meet a full disk.
func TestMain(m *testing.M) {
	args, is := os.LookupEnv("TEFF_TEST_ARGS")
	if !is {
		os.Exit(m.Run())
	}
	if limit, err := strconv.Atoi(os.Getenv("TEFF_TEST_FILE_LIMIT")); err == nil {
		signal.Ignore(syscall.SIGXFSZ) // writing more is an error then
		must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(limit), Max: uint64(limit)}))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(Main(ctx, strings.Split(args, "\n"), os.Stdout, os.Stderr))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

// process is a command in a process of its own.
func process(t *testing.T, env []string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self)
	c.Env = append(append(os.Environ(), "TEFF_TEST_ARGS="+strings.Join(args, "\n")), env...)
	var out bytes.Buffer
	c.Stderr = &out
	require.NoError(t, c.Start())
	return c, &out
}

// TestKilled: killed again and again at any instant, training goes on from its
// last checkpoint each time, and ends with the bits of training in one go.
func TestKilled(t *testing.T) {
	dir, model, data := fixture(t, "60")
	args := func(out string, more ...string) []string {
		return append([]string{"train", model, "--data", data, "-o", filepath.Join(dir, out), "--epochs", "6", "--batch", "8", "--flip",
			"--erase", "0.5", "--dropout", "0.2", "--accumulate", "2", "--threads", "2"}, more...)
	}
	ok(t, args("straight.teff")...)
	checkpoint := filepath.Join(dir, "ck")
	resumed := args("resumed.teff", "--checkpoint", checkpoint, "--checkpoint-steps", "1", "--resume")
	kills := 0
	for delay := 15 * time.Millisecond; ; delay += 4 * time.Millisecond {
		require.Less(t, kills, 200, "never done")
		c, msg := process(t, nil, resumed...)
		timer := time.AfterFunc(delay, func() { c.Process.Kill() })
		err := c.Wait()
		if !timer.Stop() && err != nil {
			kills++
			if _, err := os.Stat(filepath.Join(dir, "resumed.teff")); err == nil {
				break // killed between its last file and its end: the file must be whole
			}
			continue
		}
		require.NoError(t, err, msg.String())
		break
	}
	t.Logf("killed %d times", kills)
	a, err := os.ReadFile(filepath.Join(dir, "straight.teff"))
	require.NoError(t, err)
	b, err := os.ReadFile(filepath.Join(dir, "resumed.teff"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(a, b), "resumed training gives another file")
}

// TestInterrupted: an interrupt in the middle of an epoch keeps what was
// reached, and says so in one line.
func TestInterrupted(t *testing.T) {
	dir, model, data := fixture(t, "60")
	checkpoint, out := filepath.Join(dir, "ck"), filepath.Join(dir, "out.teff")
	args := []string{"train", model, "--data", data, "-o", out, "--epochs", "100000", "--batch", "8"}
	for _, keep := range []bool{true, false} {
		more, want := []string{"--checkpoint", checkpoint}, "--resume goes on"
		if !keep {
			more, want = nil, "nothing was written"
		}
		c, msg := process(t, nil, append(args, more...)...)
		if keep {
			require.Eventually(t, func() bool { _, err := os.Stat(checkpoint); return err == nil }, 20*time.Second, 5*time.Millisecond)
		} else {
			time.Sleep(500 * time.Millisecond)
		}
		require.NoError(t, c.Process.Signal(os.Interrupt))
		require.Error(t, c.Wait())
		require.Equal(t, 1, c.ProcessState.ExitCode())
		require.Equal(t, 1, strings.Count(msg.String(), "\n"), msg.String())
		require.Contains(t, msg.String(), want)
		require.NoFileExists(t, out)
	}
	// It opens: one more epoch than it has is all that is left to do.
	ok(t, append(args[:7:7], "1", "--batch", "8", "--checkpoint", checkpoint, "--resume")...)
	require.FileExists(t, out)
}

// TestFullDisk: whatever cannot be written is one clear error, and what was
// there stays.
func TestFullDisk(t *testing.T) {
	dir, model, data := fixture(t, "60")
	checkpoint, out := filepath.Join(dir, "ck"), filepath.Join(dir, "out.teff")
	args := []string{"train", model, "--data", data, "-o", out, "--batch", "8", "--epochs"}
	ok(t, append(args, "1", "--checkpoint", checkpoint)...)
	read := func(path string) []byte {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		return b
	}
	before, file := read(checkpoint), read(out)
	for _, what := range [][]string{{"--checkpoint", checkpoint, "--resume"}, nil} {
		c, msg := process(t, []string{"TEFF_TEST_FILE_LIMIT=50000", "TMPDIR=" + dir}, append(append(args, "2"), what...)...)
		require.Error(t, c.Wait())
		require.Equal(t, 1, c.ProcessState.ExitCode())
		require.Equal(t, 1, strings.Count(msg.String(), "\n"), msg.String())
		require.Contains(t, msg.String(), "file too large")
		require.Equal(t, before, read(checkpoint))
		require.Equal(t, file, read(out))
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left)
	if _, err := os.Stat("/dev/full"); err == nil {
		fails(t, "no space left", "train", model, "--data", data, "-o", out, "--batch", "8", "--log", "/dev/full", "--json")
	}
}

// TestRescue: a tuned network that cannot be written where it was to go is kept
// elsewhere.
func TestRescue(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	b := graph.NewBuilder("g")
	b.Output("y", b.Input("x", tensor.F32Spec(1, 2), true))
	g, err := b.Build()
	require.NoError(t, err)
	tr := &training{o: &trainOptions{out: filepath.Join(t.TempDir(), "gone", "mine.teff")}}
	err = tr.write(g)
	require.ErrorContains(t, err, "the tuned network is in ")
	_, path, _ := strings.Cut(err.Error(), "the tuned network is in ")
	f, err := format.Open(path)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
