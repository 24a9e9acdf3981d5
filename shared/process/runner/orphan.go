//go:build linux

package runner

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"core.internal/shared/config"
)

// Owned is a process that a service of a node started.
type Owned struct {
	PID      int
	Service  string
	Instance string
	// Supervised: there is a record of the instance, so that the node's
	// supervisor has it or takes it over. Where there is none it is an orphan.
	Supervised bool

	identity identity
}

// OwnerOf tells whose a process is, by its environment and the records of the
// node; false where no service of this node started it, or it is not ours to see.
func OwnerOf(l config.Layout, pid int) (Owned, bool) {
	s, err := readStat(pid)
	if err != nil || s.ended() {
		return Owned{}, false
	}
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return Owned{}, false
	}
	variable := func(name string) string {
		for v := range bytes.SplitSeq(env, []byte{0}) {
			if v, ok := bytes.CutPrefix(v, []byte(name+"=")); ok {
				return string(v)
			}
		}
		return ""
	}
	o := Owned{PID: pid, Service: variable("CORE_SERVICE"), Instance: variable(instanceVar), identity: s.identity}
	if o.Instance == "" || o.Service == "" || variable("CORE_DATA_DIR") != l.Data(o.Service) {
		return Owned{}, false
	}
	ids, err := recorded(l.Run())
	if err != nil {
		o.Supervised = true // nothing says that it is not
		return o, true
	}
	for _, id := range ids {
		// A record that cannot be read may be about it.
		if j, err := load(l.Run(), id); err != nil || j != nil && j.Instance == o.Instance && j.exit == nil {
			o.Supervised = true
		}
	}
	return o, true
}

// Belongs reports whether a process is of an instance with this leader.
func Belongs(pid int, instance string, leader int) bool {
	s, err := readStat(pid)
	buf := make([]byte, 0, 16<<10)
	return pid == leader || err == nil && s.Session == leader || instance != "" && instanceOf(strconv.Itoa(pid), &buf) == instance
}

// End asks all processes of an orphan's instance to end, kills those that are left
// after patience, and returns when none is. It does nothing to one that is
// supervised, or to another process that has got the number meanwhile.
func (o Owned) End(ctx context.Context, l config.Layout, patience time.Duration) error {
	fd, _, err := pin(o.identity)
	if err != nil {
		return fmt.Errorf("end process %d: %w", o.PID, err)
	}
	defer unix.Close(fd)
	if now, ok := OwnerOf(l, o.PID); !ok || now.Supervised || now.Instance != o.Instance {
		return fmt.Errorf("end process %d: it is no orphan of this node", o.PID)
	}
	var scans scanner
	deadline := time.Now().Add(patience)
	for signal := unix.SIGTERM; ; {
		members := scans.find(wanted{instance: o.Instance})
		if len(members) == 0 {
			return nil
		}
		for _, m := range members {
			unix.PidfdSendSignal(m.fd, signal, nil, 0)
			unix.PidfdSendSignal(m.fd, unix.SIGCONT, nil, 0)
		}
		await(members, func() bool { return ctx.Err() != nil || time.Now().After(deadline) })
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !time.Now().After(deadline):
		case signal == unix.SIGKILL:
			return fmt.Errorf("process %d of service %s does not go even when killed", o.PID, o.Service)
		default:
			signal, deadline = unix.SIGKILL, time.Now().Add(patience)
		}
	}
}
