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
		{"addressSpace", unix.RLIMIT_AS, l.AddressSpace},
	}
}

// number is the limit as setrlimit(2) wants it.
func (x limit) number() uint64 {
	if *x.value == spec.Unlimited {
		return math.MaxUint64
	}
	return uint64(*x.value)
}

// confines reports whether a limit is one that this program may not bear itself:
// its runtime has more address space than many a command is given.
func (x limit) confines() bool {
	var have unix.Rlimit
	return x.resource == unix.RLIMIT_AS && unix.Getrlimit(x.resource, &have) == nil && x.number() < have.Cur
}

// setLimits sets limits of this process.
func setLimits(limits []limit) fault {
	for _, x := range limits {
		n := x.number()
		if err := unix.Setrlimit(x.resource, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return x.refused(err)
		}
	}
	return fault{}
}

// refused is the fault of a limit that setrlimit(2) did not take.
func (x limit) refused(err error) fault {
	var have unix.Rlimit
	unix.Getrlimit(x.resource, &have)
	return fault{
		Errno: errno(err), Field: "process.limits." + x.name, Doing: "set it to " + x.value.String(),
		Fix: fmt.Sprintf("the supervisor's hard limit is %s: lower it, or %s", words(have.Max), raising(x.resource)),
	}
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
