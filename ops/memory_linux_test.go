package ops

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGroupMemory: limits of control groups as systems and containers show them.
func TestGroupMemory(t *testing.T) {
	const (
		v2    = "29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
		v1    = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
		other = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
		none  = uint64(math.MaxUint64)
	)
	for name, c := range map[string]struct {
		mounts, groups string
		files          map[string]string
		want           uint64
	}{
		"no /proc":     {want: none},
		"no groups":    {mounts: other, groups: "0::/\n", want: none},
		"v2":           {v2, "0::/user.slice/a\n", map[string]string{"/sys/fs/cgroup/user.slice/a/memory.max": "67108864\n"}, 64 << 20},
		"v2 no limit":  {v2, "0::/user.slice/a\n", map[string]string{"/sys/fs/cgroup/user.slice/a/memory.max": "max\n"}, none},
		"v2 container": {v2, "0::/\n", map[string]string{"/sys/fs/cgroup/memory.max": "1000\n"}, 1000},
		"v2 outer": {v2, "0::/a/b/c\n", map[string]string{"/sys/fs/cgroup/a/b/c/memory.max": "3000\n", "/sys/fs/cgroup/a/b/memory.max": "max\n",
			"/sys/fs/cgroup/a/memory.max": "2000\n"}, 2000},
		"v1": {other + v1, "5:cpu,cpuacct:/x\n4:memory:/a\n", map[string]string{"/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "5000\n",
			"/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "1\n", "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 5000},
		"v1 container that sees the path outside": {
			"35 31 0:32 /docker/f00 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n", "4:memory:/docker/f00\n",
			map[string]string{"/sys/fs/cgroup/memory/memory.limit_in_bytes": "7000\n"}, 7000},
		"v1 below it": {
			"35 31 0:32 /docker/f00 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n", "4:memory:/docker/f00/in\n",
			map[string]string{"/sys/fs/cgroup/memory/in/memory.limit_in_bytes": "6000\n", "/sys/fs/cgroup/memory/memory.limit_in_bytes": "7000\n"}, 6000},
		"v1 elsewhere": {
			"35 31 0:32 /docker/f00 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n", "4:memory:/docker/f001\n",
			map[string]string{"/sys/fs/cgroup/memory/memory.limit_in_bytes": "7000\n"}, 7000},
		"both": {v1 + v2, "4:memory:/a\n0::/\n", map[string]string{"/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "800\n",
			"/sys/fs/cgroup/memory.max": "900\n"}, 800},
		"litter": {"x\n - \n1 2 3 4 5 - cgroup2\n1 2 3 4 5 - cgroup2 x y\n", "\n::\nx\n0::/a/../../b\n0::no\n", map[string]string{}, none},
	} {
		files := map[string]string{"/proc/self/mountinfo": c.mounts, "/proc/self/cgroup": c.groups}
		for k, v := range c.files {
			files[k] = v
		}
		require.Equal(t, c.want, groupMemory(func(path string) string { return files[path] }), name)
	}
}
