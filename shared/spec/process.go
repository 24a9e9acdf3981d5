package spec

// Process says what runs.
type Process struct {
	// A service runs until it is stopped; a oneshot runs once and is then completed; a cron job runs at the times of its schedule.
	Type ProcessType `json:"type,omitempty" spec:"enum=service|oneshot|cron;default=service"`
	// Executable, absolute or looked up on PATH.
	Command string `json:"command" spec:"placeholders;shape=command"`
	// Arguments.
	Args []string `json:"args,omitempty" spec:"placeholders"`
	// Environment beside what every service gets.
	Env map[string]string `json:"env,omitempty" spec:"placeholders;secrets;keys=variable"`
	// Files with further variables, one NAME=value a line; env wins over them, and a later file over an earlier one. A path that is not absolute is below the node directory; one with "-" in front may be missing.
	EnvFile []string `json:"envFile,omitempty" spec:"placeholders;shape=envfile"`
	// Directory the process starts in; the service's data directory if empty.
	WorkingDir string `json:"workingDir,omitempty" spec:"placeholders;shape=absolute"`
	// For cron: when it runs, as five fields (minute, hour, day of month, month, day of week), or as in "@hourly" or "@every 90s".
	Schedule string `json:"schedule,omitempty" spec:"shape=cron;when=type:cron;must"`
	// For cron: time zone of the schedule, as in "Europe/Berlin".
	Timezone string `json:"timezone,omitempty" spec:"shape=timezone;when=type:cron;default=UTC"`
	// For cron: what happens when the last run still goes on: the new one is skipped, or replaces it.
	Overlap string `json:"overlap,omitempty" spec:"enum=skip|replace;when=type:cron;default=skip"`
	// How many of it run. More than one become services of their own, named <id>-0, <id>-1, …; {replica} is the number.
	Replicas int `json:"replicas,omitempty" spec:"min=1;max=1000;default=1"`
	// User that it runs as, by name or number; the supervisor's if empty.
	User Account `json:"user,omitempty"`
	// Group that it runs as, by name or number; the user's if empty.
	Group Account `json:"group,omitempty"`
	// Permissions that its new files do not get, in octal, as in "0027"; the supervisor's if empty.
	Umask Mode `json:"umask,omitempty"`
	// Limits of the process, soft and hard alike; what is absent is inherited.
	Limits *Limits `json:"limits,omitempty"`
	// Shares of the machine, kept by a control group.
	Resources *Resources `json:"resources,omitempty"`
	// Scheduling priority, from -20 (first) to 19 (last); 0 leaves the supervisor's.
	Nice int `json:"nice,omitempty" spec:"min=-20;max=19"`
	// How readily the kernel ends it when memory is short, from -1000 (never) to 1000; 0 leaves the supervisor's.
	OOMScoreAdjust int `json:"oomScoreAdjust,omitempty" spec:"min=-1000;max=1000"`
	// Signal that asks it to end.
	StopSignal Signal `json:"stopSignal,omitempty" spec:"default=SIGTERM"`
	// How long it may take to end before it is killed; the node's setting if absent.
	StopTimeout Duration `json:"stopTimeout,omitempty" spec:"positive"`
	// Signal that makes it read its configuration again.
	ReloadSignal Signal `json:"reloadSignal,omitempty"`
	// Commands before each start, in order. One that fails makes the start fail.
	PreStart []Hook `json:"preStart,omitempty"`
	// Commands after each end, in order, with CORE_EXIT_CODE and CORE_EXIT_SIGNAL in their environment.
	PostStop []Hook `json:"postStop,omitempty"`
	// After which exits it is started again; as an object, also how soon and how often.
	RestartPolicy Restart `json:"restartPolicy,omitzero"`
	// What must be in place before it starts, done in order.
	Ensure []Ensure `json:"ensure,omitempty"`
}

// ProcessType says what the end of a process means.
type ProcessType string

// Types of processes.
const (
	TypeService ProcessType = "service"
	TypeOneshot ProcessType = "oneshot"
	TypeCron    ProcessType = "cron"
)

// OverlapReplace is the overlap that ends a run for the next one.
const OverlapReplace = "replace"

// Limits bound what the process may use; see setrlimit(2). Each is a whole number, a size such as "64M", or "unlimited".
type Limits struct {
	// Open files.
	OpenFiles *Limit `json:"openFiles,omitempty"`
	// Processes and threads of its user.
	Processes *Limit `json:"processes,omitempty"`
	// Bytes of a core file; 0 for none.
	CoreSize *Limit `json:"coreSize,omitempty"`
	// Bytes of a file that it writes.
	FileSize *Limit `json:"fileSize,omitempty"`
	// Bytes of memory that it keeps from being swapped.
	LockedMemory *Limit `json:"lockedMemory,omitempty"`
	// Bytes of its stack.
	StackSize *Limit `json:"stackSize,omitempty"`
	// Bytes of its address space.
	AddressSpace *Limit `json:"addressSpace,omitempty"`
	// Seconds of processor time.
	CPUTime *Limit `json:"cpuTime,omitempty"`
}

// Resources are the shares of the machine that the process and its children get; see the kernel's documentation of control groups, version 2.
type Resources struct {
	// Memory it cannot go beyond.
	MemoryMax Size `json:"memoryMax,omitempty" spec:"positive"`
	// Memory above which it is slowed down and pressed to give some back.
	MemoryHigh Size `json:"memoryHigh,omitempty" spec:"positive"`
	// Processors it may use, as in 1.5.
	CPUMax Cores `json:"cpuMax,omitempty"`
	// Share of the processors beside others, 100 being usual.
	CPUWeight int `json:"cpuWeight,omitempty" spec:"min=1;max=10000"`
	// Processes and threads.
	PidsMax int `json:"pidsMax,omitempty" spec:"min=1;max=4194304"`
	// Share of the disks beside others, 100 being usual.
	IOWeight int `json:"ioWeight,omitempty" spec:"min=1;max=10000"`
}

// Hook is a command beside the process, with its environment, user and directory.
type Hook struct {
	// Command and arguments.
	Command []string `json:"command" spec:"placeholders;least=1"`
	// How long it may take.
	Timeout Duration `json:"timeout,omitempty" spec:"positive;default=30s"`
	// Whether its failure is passed over.
	IgnoreFailure bool `json:"ignoreFailure,omitempty"`
}

// Restart says when the process is started again. The text "on-failure" is short for {"policy": "on-failure"}.
type Restart struct {
	// After which exits it is started again.
	Policy RestartPolicy `json:"policy,omitempty" spec:"enum=always|on-failure|never;default=on-failure"`
	// Pause before the second restart in a row; the first is immediate.
	InitialBackoff Duration `json:"initialBackoff,omitempty" spec:"positive;default=100ms"`
	// Longest pause.
	MaxBackoff Duration `json:"maxBackoff,omitempty" spec:"positive;default=30s"`
	// How many times as long each further pause is.
	Factor float64 `json:"factor,omitempty" spec:"min=1;max=100;default=2"`
	// Part of each pause, from 0 to 1, that may be cut off, so that services that ended together do not begin together.
	Jitter float64 `json:"jitter,omitempty" spec:"min=0;max=1"`
	// How many restarts are too many.
	Budget Budget `json:"budget,omitzero"`
	// How long it must have been healthy for earlier ends to be forgotten.
	ResetAfter Duration `json:"resetAfter,omitempty" spec:"positive;default=10s"`
}

// Budget is how often a process may be started again before it is given up.
type Budget struct {
	// Restarts within window.
	Restarts int `json:"restarts,omitempty" spec:"min=1;max=10000;default=6"`
	// Time in which they are counted.
	Window Duration `json:"window,omitempty" spec:"positive;default=1m"`
}

// RestartPolicy says after which exits a process is started again.
type RestartPolicy string

// Restart policies.
const (
	RestartAlways    RestartPolicy = "always"
	RestartOnFailure RestartPolicy = "on-failure"
	RestartNever     RestartPolicy = "never"
)
