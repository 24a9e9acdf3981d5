package dep

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A manifest says what a binary was built from. It is text, one file a line, so
// that eight of them are read in well under a millisecond.

const manifestHeader = "core dep manifest 1\n"

// fileState is what is compared of a file or directory. The zero value is one that
// is not there.
type fileState struct {
	size int64 // 0 for a directory
	time int64 // of modification, Unix nanoseconds
}

// look remembers what it saw: many binaries are built from the same files.
type look map[string]fileState

func (l look) at(path string) fileState {
	s, ok := l[path]
	if !ok {
		s = stateOf(path)
		l[path] = s
	}
	return s
}

func stateOf(path string) fileState {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{}
	}
	s := fileState{info.Size(), info.ModTime().UnixNano()}
	if info.IsDir() {
		s.size = 0
	}
	return s
}

func manifestPath(bin, name string) string { return filepath.Join(bin, "."+name+".manifest") }

// recent is how close to its modification a file's state is not to be trusted: it
// may be changed again without a new time.
const recent = 20 * time.Millisecond

// writeManifest records what a binary was built from. The states were seen at or
// after taken, and the build began after that.
func writeManifest(bin, name, settings string, taken time.Time, inputs map[string]fileState) error {
	var b bytes.Buffer
	b.WriteString(manifestHeader)
	fmt.Fprintf(&b, "%s\n%d\n", settings, taken.UnixNano())
	binary := filepath.Join(bin, name)
	paths := make([]string, 0, len(inputs))
	for p := range inputs {
		if strings.ContainsAny(p, "\r\n") {
			return fmt.Errorf("the name of %q has a line break", p)
		}
		paths = append(paths, p)
	}
	slices.Sort(paths)
	put := func(path string, s fileState) { fmt.Fprintf(&b, "%d %d %s\n", s.size, s.time, path) }
	put(binary, stateOf(binary))
	for _, p := range paths {
		put(p, inputs[p])
	}
	tmp := manifestPath(bin, name) + ".tmp"
	if err := os.WriteFile(tmp, b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, manifestPath(bin, name))
}

// Intact reports whether a binary is as its build left it. The go command takes
// one that was cut short for what it would make: it looks at its beginning only.
func Intact(bin, name string) bool {
	b, err := os.ReadFile(manifestPath(bin, name))
	if err != nil {
		return false
	}
	b, ok := bytes.CutPrefix(b, []byte(manifestHeader))
	lines := bytes.SplitN(b, []byte{'\n'}, 4) // settings, when, the binary, what it was built from
	if !ok || len(lines) < 4 {
		return false
	}
	var was fileState
	if _, err := fmt.Sscan(string(lines[2]), &was.size, &was.time); err != nil {
		return false
	}
	return was != fileState{} && was == stateOf(filepath.Join(bin, name))
}

// fresh reports whether a binary is there and is what would be built now.
func fresh(bin, name, settings string, seen look) bool {
	b, err := os.ReadFile(manifestPath(bin, name))
	if err != nil {
		return false
	}
	b, ok := bytes.CutPrefix(b, []byte(manifestHeader))
	if !ok {
		return false
	}
	line, b, ok := bytes.Cut(b, []byte{'\n'})
	if !ok || string(line) != settings {
		return false
	}
	line, b, ok = bytes.Cut(b, []byte{'\n'})
	taken, err := strconv.ParseInt(string(line), 10, 64)
	if !ok || err != nil || len(b) == 0 || b[len(b)-1] != '\n' {
		return false
	}
	binary := filepath.Join(bin, name)
	for first := true; len(b) > 0; first = false {
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		size, rest, ok1 := bytes.Cut(line, []byte{' '})
		when, path, ok2 := bytes.Cut(rest, []byte{' '})
		if !ok1 || !ok2 {
			return false
		}
		var want fileState
		var err1, err2 error
		want.size, err1 = strconv.ParseInt(string(size), 10, 64)
		want.time, err2 = strconv.ParseInt(string(when), 10, 64)
		if first && filepath.Base(string(path)) == name {
			path = []byte(binary) // the directory may have been reached by another name
		}
		have, known := seen[string(path)]
		if !known {
			have = seen.at(string(path))
		}
		switch {
		case err1 != nil, err2 != nil, have != want:
			return false
		case first:
			if string(path) != binary || have == (fileState{}) {
				return false
			}
		case want.time > taken-int64(recent):
			return false
		}
	}
	return true
}

// settings identifies how the go command would build: which one it is, and what
// of the environment it listens to.
func (s Store) settings(goCommand string) string {
	h := sha256.New()
	put := func(name, value string) { fmt.Fprintf(h, "%s=%q\n", name, value) }
	state := stateOf(goCommand)
	put("go", fmt.Sprint(state.size, " ", state.time))
	for _, name := range []string{
		"GOFLAGS", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOARM", "GOEXPERIMENT", "GOFIPS140",
		"CGO_ENABLED", "CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_LDFLAGS", "CC", "CXX", "GOENV",
	} {
		put(name, os.Getenv(name))
	}
	config := os.Getenv("GOENV")
	if config == "" {
		if dir, err := os.UserConfigDir(); err == nil {
			config = filepath.Join(dir, "go", "env")
		}
	}
	state = stateOf(config)
	put("env", fmt.Sprint(state.size, " ", state.time))
	put("arguments", strings.Join(GoBuild("", ""), " "))
	put("environment", strings.Join(GoEnviron(s.Workspace), " "))
	return fmt.Sprintf("%x", h.Sum(nil))
}
