package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/oklog/run"

	"core.internal/shared/cli/render"
	"core.internal/shared/config"
)

// Exit codes.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitInterrupted = 130
	ExitUnread      = 141 // as a shell tells an end by SIGPIPE, which a write would have brought
)

// ErrInterrupted is returned by [Exec] where a signal ended what would have gone
// on.
var ErrInterrupted = errors.New("interrupted")

// errReported is returned where everything there is to say has been said.
var errReported = errors.New("failed")

// Problem is an error with what helps to solve it.
type Problem struct {
	Err   error
	Tried []string // what was tried, one thing each
	Fix   string
}

func (p *Problem) Error() string {
	text := p.Err.Error()
	for _, t := range p.Tried {
		text += "\n  tried: " + t
	}
	if p.Fix != "" {
		text += "\nfix: " + p.Fix
	}
	return text
}

func (p *Problem) Unwrap() error { return p.Err }

// ExitCode is the status with which a program ends after [Exec].
func ExitCode(err error) int {
	var usage *config.UsageError
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, ErrInterrupted):
		return ExitInterrupted
	case errors.Is(err, ErrUnread):
		return ExitUnread
	case errors.As(err, &usage):
		return ExitUsage
	}
	return ExitFailed
}

// report writes an error as one block: what is wrong, then what to do.
func report(stderr *render.Stream, err error) {
	if err == nil || errors.Is(err, ErrInterrupted) || errors.Is(err, ErrUnread) || errors.Is(err, errReported) {
		return
	}
	var b strings.Builder
	for _, one := range split(err) {
		for i, line := range strings.Split(strings.TrimSpace(one.Error()), "\n") {
			rest, isFix := strings.CutPrefix(line, "fix: ")
			switch {
			case isFix:
				b.WriteString(stderr.Bold("fix:") + " " + rest)
			case i == 0:
				b.WriteString(stderr.Error("error:") + " " + line)
			default:
				b.WriteString(line)
			}
			b.WriteByte('\n')
		}
	}
	_, _ = io.WriteString(stderr, b.String())
}

// split takes joined errors apart, so that each is told as one; a usage error is
// only a mark around others.
func split(err error) []error {
	if usage, ok := err.(*config.UsageError); ok {
		return split(usage.Err)
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		all := joined.Unwrap()
		texts := make([]string, len(all))
		for i, e := range all {
			texts[i] = e.Error()
		}
		if strings.Join(texts, "\n") == err.Error() { // errors.Join, not a %w among words
			var list []error
			for _, e := range all {
				list = append(list, split(e)...)
			}
			return list
		}
	}
	return []error{err}
}

// interrupted turns the end of ctx into what it means for the exit status: an
// interrupt is one, and a request to terminate is obeyed.
func interrupted(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	var signal *run.SignalError
	if errors.As(context.Cause(ctx), &signal) && signal.Signal != os.Signal(syscall.SIGINT) {
		return nil
	}
	return ErrInterrupted
}
