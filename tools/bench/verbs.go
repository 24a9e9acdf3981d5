package main

import (
	"context"
	"flag"
	"fmt"
	"io"
)

// verb is one thing that can be measured.
type verb struct {
	name, about string
	flags       func(*flag.FlagSet, *bench) // nil: none of its own
	run         func(*bench, context.Context) error
}

func verbs() []verb {
	return []verb{
		{"boot", "up and down against a stock nats-server and a stock Caddy", rounds(10), (*bench).boot},
		{"idle", "CPU and memory of an idle node, or of one with services and health checks", idleFlags, (*bench).idle},
		{"help", "launcher --help, on a silent pseudo-terminal too", rounds(10), (*bench).help},
		{"transcripts", "N boots tell one story, with and without load", rounds(10), (*bench).transcripts},
		{"supervise", "200 and 1,000 services against the supervisors on PATH", rounds(3), (*bench).supervise},
		{"logs", "output through to a file, against the loggers on PATH", logsFlags, (*bench).logs},
		{"outlive", "kill -9 of procd, busd and the launcher with services at work", outliveFlags, (*bench).outlive},
		{"soak", "random kills for a time; then all is as it is wanted, and nothing else is there", soakFlags, (*bench).soak},
	}
}

// rounds is the flag of how often something is measured.
func rounds(often int) func(*flag.FlagSet, *bench) {
	return func(f *flag.FlagSet, b *bench) { f.IntVar(&b.n, "n", often, "how often") }
}

// listVerbs lists the verbs.
func listVerbs(w io.Writer) {
	fmt.Fprintf(w, "usage: go run ./tools/bench VERB [flags]; VERB -h tells the flags\n\n")
	for _, v := range verbs() {
		fmt.Fprintf(w, "  %-12s %s\n", v.name, v.about)
	}
}

// bound is a bar of the project, printed beside what was measured.
type bound struct {
	most, least float64 // 0: no such bound
	unit        string
}

// judge says how a figure stands to its bar.
func (w bound) judge(figure float64) string {
	is, limit, ok := "at most", w.most, figure <= w.most
	if w.least > 0 {
		is, limit, ok = "at least", w.least, figure >= w.least
	}
	verdict := "met"
	if !ok {
		verdict = "not met"
	}
	return fmt.Sprintf("%s %g%s: %s", is, limit, w.unit, verdict)
}
