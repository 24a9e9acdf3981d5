package testproc

import (
	"os"
	"os/exec"
	"testing"
)

// Variable in the environment names the program that a test binary is to be.
const Variable = "CORE_TEST_PROGRAM"

// Programs are what a test binary can be beside itself, by name.
type Programs map[string]func(args []string)

// Main runs the program that the environment names and exits, with status 0
// where the program returns. It returns where the binary is to run its tests.
func Main(programs Programs) {
	name := os.Getenv(Variable)
	if name == "" {
		return
	}
	program, ok := programs[name]
	if !ok {
		os.Stderr.WriteString("this test binary has no program " + name + "\n")
		os.Exit(2)
	}
	program(os.Args[1:])
	os.Exit(0)
}

// Env is what the environment of a test binary has to have for it to be a
// program, and to end at once, which the race detector would not let it.
func Env(program string) []string {
	return []string{Variable + "=" + program, "GORACE=atexit_sleep_ms=0"}
}

// Self is the path of the test binary.
func Self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Command runs the test binary as a program, in the test's own environment.
func Command(t testing.TB, program string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(Self(t), args...)
	cmd.Env = append(os.Environ(), Env(program)...)
	return cmd
}
