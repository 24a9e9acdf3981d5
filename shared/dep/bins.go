package dep

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"core.internal/shared/dep/archive"
	"core.internal/shared/events"
)

// links chooses the binaries of a tree: links by their names, to paths in the
// tree, and which of them is the dependency's own. What dep.bin names is linked
// under its file name, and the first also under the dependency's name.
func (p pinned) links(files map[string]archive.File) (links map[string]string, main string, err error) {
	fail := func(fix, format string, args ...any) (map[string]string, string, error) {
		return nil, "", &Error{p.Name, p.Source, fmt.Errorf(format, args...), fix}
	}
	const fix = "name the binary in field dep.bin"
	links = map[string]string{}
	if len(p.Bin) > 0 {
		for i, text := range p.Bin {
			at := p.expand(text)
			f, ok := files[at]
			if !ok {
				return fail("correct field dep.bin", "the archive has no file %q; it has %s", at, some(slices.Sorted(maps.Keys(files))))
			}
			name := path.Base(at)
			if other, twice := links[name]; twice {
				return fail("correct field dep.bin", "%q and %q have one name", other, at)
			}
			if f.Link == "" && !f.Executable() {
				return fail("name an executable file in field dep.bin, or ask the publisher to set its permission", "%q is not executable (mode %04o)", at, f.Mode)
			}
			links[name] = at
			if i == 0 || name == p.Name {
				main = name
			}
		}
		if main != p.Name {
			links[p.Name] = links[main]
		}
		return p.named(links, p.Name)
	}
	var same, regular, programs []string
	for _, at := range slices.Sorted(maps.Keys(files)) {
		if files[at].Link != "" {
			continue
		}
		regular = append(regular, at)
		if files[at].Executable() {
			programs = append(programs, at)
		}
		if base := path.Base(at); base == p.Name || base == p.Name+".exe" {
			same = append(same, at)
		}
	}
	if len(same) > 1 { // a directory of completions or manuals may have the name too
		if only := slices.DeleteFunc(slices.Clone(same), func(at string) bool { return !files[at].Executable() }); len(only) > 0 {
			same = only
		}
	}
	switch {
	case len(same) > 1:
		return fail(fix, "the archive has several files with the name %s: %s", p.Name, some(same))
	case len(same) == 0 && len(regular) == 1:
		same = regular
	}
	if len(same) == 1 {
		if f := files[same[0]]; !f.Executable() {
			return fail("name an executable file in field dep.bin, or ask the publisher to set its permission", "%q is not executable (mode %04o)", same[0], f.Mode)
		}
		return p.named(map[string]string{p.Name: same[0]}, p.Name)
	}
	for _, at := range programs {
		name := path.Base(at)
		if other, twice := links[name]; twice {
			return fail(fix, "the archive has no file with the name %s, and both %q and %q", p.Name, other, at)
		}
		links[name] = at
		if main == "" {
			main = name
		}
	}
	if len(links) == 0 || len(links) > 64 {
		return fail(fix, "the archive has no file with the name %s; it has %s", p.Name, some(regular))
	}
	return p.named(links, main)
}

// named refuses links whose names mean something else.
func (p pinned) named(links map[string]string, main string) (map[string]string, string, error) {
	for _, name := range slices.Sorted(maps.Keys(links)) {
		if !validName(name) {
			return nil, "", &Error{p.Name, p.Source, fmt.Errorf("%q is no name for a binary", name), "name the binary in field dep.bin"}
		}
		if reserved := append(events.Daemons(), events.Launcher); slices.Contains(reserved, events.Source(name)) {
			return nil, "", &Error{p.Name, p.Source, fmt.Errorf("%q is the name of a binary of the platform", name), "name other binaries in field dep.bin, or correct field dep.name"}
		}
	}
	return links, main, nil
}

// some lists names, but not too many.
func some(names []string) string {
	const most = 12
	rest := ""
	if len(names) > most {
		rest = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ") + rest
}

// machines are what ELF calls GOARCH.
var machines = map[string]uint16{
	"386": 3, "ppc64": 21, "ppc64le": 21, "s390x": 22, "arm": 40, "amd64": 62, "arm64": 183, "riscv64": 243, "loong64": 258,
}

// checkProgram refuses what the platform cannot run.
func (p pinned) checkProgram(tree, at string) error {
	fail := func(format string, args ...any) error {
		return &Error{p.Name, p.Source, fmt.Errorf("%q %s", at, fmt.Sprintf(format, args...)), fmt.Sprintf("correct field dep.asset, dep.url or dep.bin: it should be a program for %s", p.platform)}
	}
	root, err := os.OpenRoot(tree)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := root.Open(filepath.FromSlash(at))
	if err != nil {
		return fail("leads to nothing: %v", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return fail("is not executable (mode %s)", info.Mode())
	}
	head := make([]byte, 20)
	if n, err := io.ReadFull(f, head); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return err
	} else if n < len(head) {
		head = head[:n]
	}
	if bytes.HasPrefix(head, []byte("#!")) || p.goos == "windows" {
		return nil
	}
	elf := bytes.HasPrefix(head, []byte("\x7fELF")) && len(head) == 20
	switch p.goos {
	case "darwin", "ios":
		if len(head) < 4 || !slices.Contains([]uint32{0xfeedface, 0xfeedfacf, 0xcafebabe}, binary.LittleEndian.Uint32(head)) &&
			binary.BigEndian.Uint32(head) != 0xcafebabe {
			return fail("is no program of this system")
		}
		return nil
	}
	if !elf {
		return fail("is no program of this system")
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if head[5] == 2 {
		order = binary.BigEndian
	}
	if want, ok := machines[p.goarch]; ok && order.Uint16(head[18:]) != want {
		return fail("is for another processor")
	}
	return nil
}
