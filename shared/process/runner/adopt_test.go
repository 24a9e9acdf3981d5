//go:build linux

package runner

func superviseUntilKilled(args []string) {}
