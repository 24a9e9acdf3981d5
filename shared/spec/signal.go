package spec

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Signal is the name of a signal, as in SIGTERM; written with SIG or without.
type Signal string

// Signals are those that a spec may name.
func Signals() []string {
	return []string{
		"SIGABRT", "SIGALRM", "SIGCONT", "SIGHUP", "SIGINT", "SIGIO", "SIGKILL", "SIGPIPE", "SIGPROF", "SIGQUIT", "SIGTERM",
		"SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGWINCH",
	}
}

// ParseSignal reads a name with SIG or without.
func ParseSignal(s string) (Signal, error) {
	name := s
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if !slices.Contains(Signals(), name) {
		return "", fmt.Errorf(`%q is no signal: want a name as in "SIGTERM" or "HUP"`, shorten(s))
	}
	return Signal(name), nil
}

// Number is the signal itself; 0 for none.
func (s Signal) Number() syscall.Signal { return unix.SignalNum(string(s)) }

// UnmarshalJSON implements [json.Unmarshaler].
func (s *Signal) UnmarshalJSON(b []byte) error {
	var text string
	err := json.Unmarshal(b, &text)
	if err != nil {
		return err
	}
	*s, err = ParseSignal(text)
	return err
}
