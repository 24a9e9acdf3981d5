//go:build linux

package runner

import (
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"core.internal/shared/spec"
)

// limit is one resource of setrlimit(2) with the member of a spec that sets it.
type limit struct {
	name     string
	resource int
	value    *spec.Limit
}

func limitsOf(l *spec.Limits) []limit {
	return []limit{
		{"openFiles", unix.RLIMIT_NOFILE, l.OpenFiles},
		{"processes", unix.RLIMIT_NPROC, l.Processes},
		{"coreSize", unix.RLIMIT_CORE, l.CoreSize},
		{"fileSize", unix.RLIMIT_FSIZE, l.FileSize},
		{"lockedMemory", unix.RLIMIT_MEMLOCK, l.LockedMemory},
		{"stackSize", unix.RLIMIT_STACK, l.StackSize},
		{"cpuTime", unix.RLIMIT_CPU, l.CPUTime},
		{"addressSpace", unix.RLIMIT_AS, l.AddressSpace}, // last: this program needs some too
	}
}

// setLimits sets the limits of this process.
func setLimits(l *spec.Limits) fault {
	for _, x := range limitsOf(l) {
		if x.value == nil {
			continue
		}
		n := uint64(math.MaxUint64)
		if *x.value != spec.Unlimited {
			n = uint64(*x.value)
		}
		if err := unix.Setrlimit(x.resource, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			var have unix.Rlimit
			unix.Getrlimit(x.resource, &have)
			return fault{
				Errno: errno(err), Field: "process.limits." + x.name, Doing: "set it to " + x.value.String(),
				Fix: fmt.Sprintf("the supervisor's hard limit is %s: lower it, or %s", words(have.Max), raising(x.resource)),
			}
		}
	}
	return fault{}
}

// raising says how a limit gets above the supervisor's.
func raising(resource int) string {
	switch {
	case os.Geteuid() != 0:
		return "raise that one as root"
	case resource == unix.RLIMIT_NOFILE:
		return "raise the sysctl fs.nr_open, above which nobody gets"
	}
	return "give the node the capability CAP_SYS_RESOURCE"
}

func words(n uint64) string {
	if n == math.MaxUint64 {
		return spec.Unlimited.String()
	}
	return fmt.Sprint(n)
}
