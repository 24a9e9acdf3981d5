// Package step helps steps of pipelines to run external commands.
//
// # Usage
//
//	err := step.Run(ctx, job, step.Command{Name: "go", Args: []string{"build", "./busd"}, Dir: workspace})
//
// [Run] sends what the command writes to the step's log, line by line; [Output]
// keeps its standard output instead. Nothing is passed through a shell.
//
// # Processes
//
// A command is the leader of its own process group. When ctx ends the group is
// asked to end (SIGTERM) and killed after [Command.StopTimeout]; when the leader
// has exited, what is left of its group is killed. So nothing of a command is
// left when Run returns, however it ended.
//
// Where the whole daemon is killed that cannot be done. Therefore each command
// has the step's mark in its environment, and [KillLeftovers] finds by it what
// an interrupted attempt left, children of children too, before the step is
// repeated. It never mistakes another process that has been given the same pid:
// on Linux the process is held by a pidfd before its environment is read.
//
// # Concurrency
//
// All functions may be called by several goroutines.
//
// # Testing
//
// The tests run real processes: the test binary itself.
package step
