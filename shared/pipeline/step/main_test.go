package step_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary is also the command under test: STEP_TEST says what it does.
func TestMain(m *testing.M) {
	mode, ok := os.LookupEnv("STEP_TEST")
	if !ok {
		goleak.VerifyTestMain(m)
		return
	}
	switch mode {
	case "talk":
		fmt.Println("to standard output")
		fmt.Fprintln(os.Stderr, "to standard error")
	case "fail":
		fmt.Println("something is wrong")
		os.Exit(3)
	case "wait": // until killed
		fmt.Println("waiting", os.Getpid())
		select {}
	case "stubborn": // ignores SIGTERM
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("waiting", os.Getpid())
		select {}
	case "parent": // leaves a child behind, or waits for it
		child("STEP_TEST=wait")
		if os.Getenv("STEP_STAY") != "" {
			select {}
		}
	case "runaway": // leaves a child behind in a session of its own
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "STEP_TEST=wait")
		cmd.Stdout = os.Stdout
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			panic(err)
		}
	}
	os.Exit(0)
}

// child starts one and returns when it has said its pid, which is passed on.
func child(env string) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.StdoutPipe()
	if err != nil {
		panic(err)
	}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	fmt.Print(line)
}

// gone reports whether a process ends soon, or is a zombie already.
func gone(pid int) bool {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return true
		}
		if _, after, ok := strings.Cut(string(stat), ") "); ok && strings.HasPrefix(after, "Z") {
			return true
		}
		<-time.After(2 * time.Millisecond)
	}
	return false
}
