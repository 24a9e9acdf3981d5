package runner

import "time"

// Usage is what the processes of an instance use. Those of its session count and,
// wherever they are, its other descendants.
type Usage struct {
	ID, Instance string
	Processes    int
	// CPU is the user and system time of the processes and of those that they
	// waited for. It never falls.
	CPU time.Duration
	// Resident is memory in bytes; what processes share counts for each.
	Resident int64
	// OpenFDs counts open file descriptors; -1 where one of the processes is not
	// ours to look into.
	OpenFDs int
}
