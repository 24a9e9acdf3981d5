package process

import (
	"context"
	"syscall"
	"time"
)

// Command is everything needed to start one instance of a process.
type Command struct {
	ID       string // the service or daemon
	Instance string // this run of it; a token, new for every start
	Path     string // executable, absolute
	Args     []string
	Env      []string // complete, as KEY=value
	Dir      string
	// StopSignal asks it to end; SIGTERM if 0.
	StopSignal syscall.Signal
	// StopTimeout is how long it may take to end before it is killed; 10 s if 0.
	StopTimeout time.Duration
	// Stdout and Stderr are the log files; Stderr may be empty for the same file.
	Stdout, Stderr string
	// Retention is how long rotated log files are kept; for ever if 0.
	Retention time.Duration
	// Attributes are of the process and of what it starts.
	Attributes Attributes
	// Hook names what is no instance of ID but a command beside one, as in
	// "preStart[0]". Its lines have the name in front, it runs while no instance
	// does, and no later supervisor takes it over: Adopt ends it.
	Hook string
	// Output says more of what becomes of what it writes.
	Output Output
	// Note is the supervisor's own, such as the ports it gave the instance. It
	// comes back with an adopted one; see [Recorded].
	Note string
}

// Output says what becomes of the lines that a process writes.
type Output struct {
	MaxSize    int64 `json:"max_size,omitempty"`  // bytes at which a log file is rotated; the runner's if 0
	MaxFiles   int   `json:"max_files,omitempty"` // rotated files kept; any number if 0
	Timestamps bool  `json:"timestamps,omitempty"`
	// Format is how its lines are written: json, text, or auto, also if empty.
	Format string `json:"format,omitempty"`
	// Multiline matches a line that continues the one before; none if empty.
	// MaxLines is how many make one entry at most; 500 if 0.
	Multiline string `json:"multiline,omitempty"`
	MaxLines  int    `json:"max_lines,omitempty"`
	// Rate is how many lines of all streams travel within Per, a second if 0;
	// the runner's rate for each stream if 0.
	Rate int           `json:"rate,omitempty"`
	Per  time.Duration `json:"per,omitempty"`
	// Pattern is looked for in every line until one matches; see [Noticer].
	Pattern string `json:"pattern,omitempty"`
}

// Exit says how an instance ended.
type Exit struct {
	Code    int    // exit status; -1 where a signal ended it or it is unknown
	Signal  string // as in "SIGKILL"; empty where it exited by itself
	Unknown bool   // it was adopted and nobody could tell how it ended
	// LastLines are the last lines it wrote, oldest first.
	LastLines []string
	Time      time.Time
}

// OK reports whether it ended by itself with status 0.
func (e Exit) OK() bool { return !e.Unknown && e.Signal == "" && e.Code == 0 }

// Process is one running instance, whoever runs it.
type Process interface {
	PID() int
	Instance() string
	// Done is closed when the process is gone and its output is on disk.
	Done() <-chan struct{}
	// Exit says how it ended; valid once Done is closed.
	Exit() Exit
	// Stop asks the process group to end, kills what is left of it after the
	// command's StopTimeout or when ctx ends, and returns when all is gone.
	Stop(ctx context.Context) error
}

// Noticer is a [Process] whose runner looks at what it writes.
type Noticer interface {
	Process
	// Matched is closed once it has written a line that [Output.Pattern]
	// matches; nil where there is none.
	Matched() <-chan struct{}
	// Dropped brings, at most once a minute, how many lines of it have not
	// travelled because of [Output.Rate]; nil where there is none.
	Dropped() <-chan int
}

// Runner starts processes and finds those that an earlier supervisor left.
type Runner interface {
	Start(ctx context.Context, c Command) (Process, error)
	// Adopt returns the recorded instance of id if it still runs, and nil if
	// there is none. It never returns a process that merely has its pid.
	Adopt(ctx context.Context, id string) (Process, error)
}

// Recorded is a [Process] that a later supervisor can find again.
type Recorded interface {
	Process
	Note() string   // of its command
	Digest() string // of its command: sha256, hexadecimal
	Adopted() bool  // started by an earlier supervisor
}

// Signaller is a [Process] that can be told something.
type Signaller interface {
	// Signal sends a signal to the process itself, not to what it started.
	Signal(s syscall.Signal) error
}

// Bounded is a [Process] that may have been asked to be kept within resources.
type Bounded interface {
	// Unenforced says which of its command's resources nobody enforces, and why;
	// empty if there are none.
	Unenforced() string
}

// Finder is a [Runner] that also knows what earlier supervisors recorded.
type Finder interface {
	Runner
	// Recorded lists the ids that have a record, sorted: candidates for Adopt,
	// among them services whose spec is gone.
	Recorded() ([]string, error)
	// Ended returns the recorded instance of id that is known to have ended,
	// its Done closed, where Adopt found nothing running; nil if there is
	// none. Its PID is 0 where it was about to be started and never ran. The
	// caller compares its Instance with what it has stated.
	Ended(id string) Process
	// Forget removes the record of an instance that has ended.
	Forget(id string) error
}
