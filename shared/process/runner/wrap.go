//go:build linux

package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"core.internal/shared/process"
)

// A process whose attributes no fork can give it is started as this program,
// which prepares itself and then becomes the command. Pid and start time stay the
// same, so the record is true from the fork on. The plan comes in a memfd, as it
// may have secrets and is not limited in size; what goes wrong is told through a
// pipe that an exec closes.

const (
	faultFD = 3 // written by the wrapper
	planFD  = 4 // read by it
)

// plan is what a wrapper is to do.
type plan struct {
	Path       string             `json:"path"`
	Args       []string           `json:"args"` // with the program's name
	Env        []string           `json:"env"`
	Dir        string             `json:"dir,omitempty"`
	Attributes process.Attributes `json:"attributes"`
}

// fault is why a wrapper did not become its command.
type fault struct {
	Errno syscall.Errno `json:"errno"`
	Field string        `json:"field,omitempty"` // of the spec; empty for the exec itself
	Doing string        `json:"doing,omitempty"`
	Fix   string        `json:"fix,omitempty"`
}

// attributeError is a fault with a field, which diagnose does not look into.
type attributeError struct{ fault }

func (e *attributeError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Field, e.Doing, e.Errno) }
func (e *attributeError) Unwrap() error { return e.Errno }

// Wrap makes this process the command of a runner that started it with its
// [Options.Wrapper]. It returns only where it was not started by one, or the
// command cannot be run; the runner has been told then.
func Wrap() error {
	debug.SetGCPercent(-1) // other threads need memory to collect: see execWithin
	var p plan
	in := os.NewFile(planFD, "plan")
	if in == nil {
		return errors.New("this is started by procd alone, with a plan")
	}
	b, err := io.ReadAll(in)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil {
		return fmt.Errorf("read the plan of a process (this is started by procd alone): %w", err)
	}
	in.Close()
	unix.CloseOnExec(faultFD)
	runtime.LockOSThread() // accounts and priorities are a thread's, and exec keeps this one's
	f := p.carryOut()
	b, err = json.Marshal(f)
	if err == nil {
		_, err = unix.Write(faultFD, b)
	}
	return errors.Join(&attributeError{f}, err)
}

// carryOut returns only if something went wrong.
func (p *plan) carryOut() fault {
	if f := p.prepare(); f.Errno != 0 {
		return f
	}
	var confining *limit
	if l := p.Attributes.Limits; l != nil {
		var bearable []limit
		for _, x := range limitsOf(l) {
			switch {
			case x.value == nil:
			case x.confines():
				confining = &x
			default:
				bearable = append(bearable, x)
			}
		}
		if f := setLimits(bearable); f.Errno != 0 {
			return f
		}
	}
	if a := p.Attributes.Account; a != nil {
		if err := become(a); err != nil {
			return fault{Errno: errno(err), Field: "process.user", Doing: fmt.Sprintf("become user %d, group %d", a.UID, a.GID), Fix: "run the node as root, or as that user"}
		}
	}
	if p.Dir != "" {
		if err := unix.Chdir(p.Dir); err != nil {
			return fault{Errno: errno(err), Field: "process.workingDir", Doing: "enter " + p.Dir, Fix: "make it a directory that the service's user may enter, and so all above it"}
		}
	}
	if confining != nil {
		return p.execWithin(*confining)
	}
	return fault{Errno: errno(syscall.Exec(p.Path, p.Args, p.Env))}
}

// execWithin becomes the command within a limit that this program could not live with:
// from it on nothing is allocated. Where there is no command it tells so and ends: its
// user may not be one who raises a limit again.
func (p *plan) execWithin(x limit) fault {
	path, err := syscall.BytePtrFromString(p.Path)
	var args, env []*byte
	if err == nil {
		args, err = syscall.SlicePtrFromStrings(p.Args)
	}
	if err == nil {
		env, err = syscall.SlicePtrFromStrings(p.Env)
	}
	if err != nil {
		return fault{Errno: errno(err)}
	}
	value := unix.Rlimit{Cur: x.number(), Max: x.number()}
	told := append(make([]byte, 0, 64), `{"errno":`...) // as [fault] has it
	syscall.Exec("", nil, nil)                          // it fails, and takes back the limit of open files that Go's runtime raised
	if err := unix.Prlimit(0, x.resource, &value, nil); err != nil {
		return x.refused(err)
	}
	_, _, e := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&args[0])), uintptr(unsafe.Pointer(&env[0])))
	told = append(strconv.AppendUint(told, uint64(e), 10), '}')
	unix.RawSyscall(unix.SYS_WRITE, faultFD, uintptr(unsafe.Pointer(&told[0])), uintptr(len(told)))
	for {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 1, 0, 0)
	}
}

// prepare sets what needs the supervisor's rights.
func (p *plan) prepare() fault {
	a := p.Attributes
	if a.Umask != nil {
		unix.Umask(int(*a.Umask))
	}
	if a.OOMScoreAdjust != 0 {
		if err := os.WriteFile("/proc/self/oom_score_adj", strconv.AppendInt(nil, int64(a.OOMScoreAdjust), 10), 0); err != nil {
			return fault{
				Errno: errno(err), Field: "process.oomScoreAdjust", Doing: fmt.Sprintf("set it to %d", a.OOMScoreAdjust),
				Fix: "a value below the supervisor's needs root: raise it, or leave it out",
			}
		}
	}
	if a.Nice != 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, a.Nice); err != nil {
			return fault{
				Errno: errno(err), Field: "process.nice", Doing: fmt.Sprintf("set it to %d", a.Nice),
				Fix: "a value below the supervisor's needs root: raise it, or leave it out",
			}
		}
	}
	return fault{}
}

// become changes the account of this thread alone: as the others end with exec,
// they need not, and must not count as processes of the user.
func become(a *process.Account) error {
	if !a.KeepGroups {
		var first *uint32
		if len(a.Groups) > 0 {
			first = &a.Groups[0]
		}
		if err := setgroups(len(a.Groups), first); err != nil {
			return err
		}
	}
	gid, uid := uintptr(a.GID), uintptr(a.UID)
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); e != 0 {
		return e
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); e != 0 {
		return e
	}
	return nil
}

func errno(err error) syscall.Errno {
	var e syscall.Errno
	if errors.As(err, &e) {
		return e
	}
	return unix.EINVAL
}
