package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// peers are the supervisors that are on PATH.
func peers() []contender {
	var list []contender
	for _, p := range []struct {
		command, name string
		prepare       func(dir, id string, command []string) error
		args          func(dir string) []string
	}{
		{"s6-svscan", "s6", runScript, func(dir string) []string { return []string{"-c", "2000", dir} }},
		{"runsvdir", "runit", runScript, func(dir string) []string { return []string{"-P", dir} }},
		{"supervisord", "supervisor", supervisorProgram, func(dir string) []string { return []string{"-n", "-c", filepath.Join(dir, "supervisord.conf")} }},
	} {
		path, err := exec.LookPath(p.command)
		if err != nil {
			continue
		}
		list = append(list, contender{p.name, func(dir string) supervised {
			return &peer{path: path, dir: dir, prepare: p.prepare, args: p.args(dir)}
		}})
	}
	return list
}

// runScript is a service of s6 and runit.
func runScript(dir, id string, command []string) error {
	service := filepath.Join(dir, id)
	if err := os.Mkdir(service, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(service, "run"), []byte("#!/bin/sh\nexec "+strings.Join(command, " ")+"\n"), 0o755)
}

func supervisorProgram(dir, id string, command []string) error {
	name := filepath.Join(dir, "supervisord.conf")
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if at, err := f.Seek(0, 2); err == nil && at == 0 {
		fmt.Fprintf(f, "[supervisord]\nnodaemon=true\nminfds=4096\nlogfile=%s/log\npidfile=%s/pid\n", dir, dir)
	}
	fmt.Fprintf(f, "[program:%s]\ncommand=%s\nautorestart=true\nstartsecs=0\nstdout_logfile=%s/%s.log\n", id, strings.Join(command, " "), dir, id)
	return f.Close()
}

// peer is another supervisor at work.
type peer struct {
	path    string
	dir     string
	args    []string
	prepare func(dir, id string, command []string) error
	child   string // what the kernel calls the children
	cmd     *exec.Cmd
	errs    tailBuffer
}

func (p *peer) start(ctx context.Context, n int, command []string) error {
	for i := range n {
		if err := p.prepare(p.dir, serviceName(i), command); err != nil {
			return err
		}
	}
	p.child = commName(command)
	p.cmd = exec.CommandContext(ctx, p.path, p.args...)
	p.cmd.Dir = p.dir
	p.cmd.Stderr = &p.errs
	return p.cmd.Start()
}

// pids leaves out the children that it supervises.
func (p *peer) pids() ([]int, error) {
	all, err := tree(p.cmd.Process.Pid)
	var own []int
	for pid, u := range all {
		if u.name != p.child {
			own = append(own, pid)
		}
	}
	return own, err
}

func (p *peer) stop() error {
	all, err := tree(p.cmd.Process.Pid)
	if err != nil {
		return fmt.Errorf("%w: %s", err, p.errs.text)
	}
	// The supervisors first, or they would start children again.
	for _, children := range []bool{false, true} {
		for pid, u := range all {
			if (u.name == p.child) == children {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
					return err
				}
			}
		}
	}
	p.cmd.Wait() // it was killed
	return nil
}

// commName is what the kernel calls a process that runs a command.
func commName(command []string) string {
	base := filepath.Base(command[0])
	return base[:min(len(base), 15)]
}

// coreNode is a whole node whose procd supervises.
type coreNode struct {
	b        *bench
	launcher string
	dir      string
	more     func(i int, spec member) // changes the spec of the i-th service; may be nil
	node     *node
	ready    chan error
}

func (c *coreNode) start(ctx context.Context, n int, command []string) error {
	for i := range n {
		spec := daemonSpec(command)
		if c.more != nil {
			c.more(i, spec)
		}
		if err := writeSpec(c.dir, serviceName(i), spec); err != nil {
			return err
		}
	}
	c.ready = make(chan error, 1)
	go func() {
		var err error
		c.node, err = c.b.start(ctx, c.launcher, "--profile", profile, "--specs", c.dir)
		c.ready <- err
	}()
	return nil
}

// before is how long the node took until it came to its services.
func (c *coreNode) before() time.Duration {
	var sum time.Duration
	for _, s := range c.node.stages {
		if s.Stage == "services" {
			break
		}
		sum += s.Took
	}
	return sum
}

func (c *coreNode) pids() ([]int, error) {
	if err := <-c.ready; err != nil {
		return nil, err
	}
	c.ready <- nil
	all, err := tree(c.node.cmd.Process.Pid)
	for pid, u := range all {
		if u.name == "procd" {
			return []int{pid}, nil
		}
	}
	return nil, errors.Join(err, errors.New("procd is not there"))
}

func (c *coreNode) stop() error {
	if err := <-c.ready; err != nil {
		return err
	}
	return c.node.stop()
}
