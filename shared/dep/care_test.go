package dep

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"core.internal/shared/spec"
)

func TestVerify(t *testing.T) {
	web, s := newSite(t), newStore(t)
	w := fromURL("tool", "1", web.put("/tool.tar.gz", pack(t, map[string]string{"bin/tool!": script("good"), "lib/a": "a", "lib/b": "b", "l": "-> lib/a"})))
	if _, err := s.Verify(w); err == nil {
		t.Error("what is not locked is verified")
	}
	key := mustLock(t, s, w)[0].Asset.SHA256
	if list, err := s.Verify(w); err != nil || !slices.Equal(list, []string{"it is not installed"}) {
		t.Error(list, err)
	}
	path := mustInstall(t, s, w)["tool"]
	if list, err := s.Verify(w); err != nil || len(list) > 0 {
		t.Error(list, err)
	}
	tree := s.in(key, treeDir)
	for _, err := range []error{
		os.WriteFile(filepath.Join(tree, "bin/tool"), []byte(script("evil")), 0o755), os.Chmod(filepath.Join(tree, "lib/a"), 0o666),
		os.Remove(filepath.Join(tree, "lib/b")), os.Remove(filepath.Join(tree, "l")), os.Symlink("/etc", filepath.Join(tree, "l")), os.Remove(path),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.Verify(w)
	want := []string{"bin/tool has other content", "l leads elsewhere", "lib/a has mode -rw-rw-rw-", "lib/b is missing", "its links in " + s.Bin + " lead elsewhere"}
	if err != nil || !slices.Equal(list, want) {
		t.Errorf("%q %v, want %q", list, err, want)
	}
	// Installing it again mends it.
	mustInstall(t, s, w)
	if list, err := s.Verify(w); err != nil || len(list) > 0 {
		t.Error(list, err)
	}
	says(t, path, "good")
	// So it does where only the content is another, if it is to look at that.
	if err := os.WriteFile(filepath.Join(tree, "bin/tool"), []byte(script("evil")), 0o755); err != nil {
		t.Fatal(err)
	}
	mustInstall(t, s, w)
	says(t, path, "evil")
	thorough := s
	thorough.Thorough = true
	mustInstall(t, thorough, w)
	says(t, path, "good")
	// What somebody has put beside the files is found, and goes.
	for _, name := range []string{"bin/plugin", "more/deep/a", "b"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(tree, filepath.Dir(name)), 0o755), os.Symlink("/etc/passwd", filepath.Join(tree, name))); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := s.Verify(w); err != nil || !slices.Equal(list, []string{"b is not of it", "bin/plugin is not of it", "more/deep/a is not of it"}) {
		t.Errorf("%q %v", list, err)
	}
	mustInstall(t, thorough, w)
	if list, err := s.Verify(w); err != nil || len(list) > 0 {
		t.Error(list, err)
	}
	if err := os.WriteFile(s.in(key, entryFile), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustInstall(t, s, w)
	if list, err := s.Verify(w); err != nil || len(list) > 0 {
		t.Error(list, err)
	}
}

func TestStatus(t *testing.T) {
	web, s := newSite(t), newStore(t)
	w := fromURL("tool", "1", web.put("/tool", []byte(script("good"))))
	if st := s.Status(w); st.Locked || st.Installed || !strings.Contains(st.Problem, "is not locked") || st.LockFile == "" {
		t.Errorf("%+v", st)
	}
	mustLock(t, s, w)
	if st := s.Status(w); !st.Locked || st.Installed || st.Problem != "" {
		t.Errorf("%+v", st)
	}
	mustInstall(t, s, w)
	if st := s.Status(w); !st.Installed || st.Path != filepath.Join(s.Bin, "tool") || st.Size != int64(len(script("good"))) {
		t.Errorf("%+v", st)
	}
	s.Path = s.Bin
	for name, installed := range map[string]bool{"tool": true, "none": false} {
		st := s.Status(Want{Dep: spec.Dep{Name: name, Source: spec.SourceSystem}})
		if st.Installed != installed || !st.Locked || st.LockFile != "" || (st.Problem == "") != installed {
			t.Errorf("%+v", st)
		}
	}
	s.Workspace = t.TempDir()
	if st := s.Status(Want{Dep: spec.Dep{Name: "built", Source: spec.SourceGoBuild, Asset: "./x"}}); st.Installed || !st.Locked || st.Problem != "" {
		t.Errorf("%+v", st)
	}
}

func TestGC(t *testing.T) {
	web, s := newSite(t), newStore(t)
	put := func(name, text string) Want {
		return fromURL(name, text, web.put("/"+name+text, []byte(script(name+text))))
	}
	keep, old, gone := put("keep", "2"), put("keep", "1"), put("gone", "1")
	mustLock(t, s, keep, old, gone)
	mustInstall(t, s, old, gone)
	mustInstall(t, s, keep)
	write(t, s.Root, map[string]string{"bin/built": "mine", "store/partial/" + strings.Repeat("0", 64): "half", "store/.new-" + strings.Repeat("1", 64) + "/x": "half"})
	names := func(list []Removed) (out []string) {
		for _, r := range list {
			rel, _ := filepath.Rel(s.Root, r.Path)
			for _, w := range []Want{keep, old, gone} {
				if p, err := s.pinned(w); err == nil {
					rel = strings.ReplaceAll(rel, p.key(), w.ID())
				}
			}
			if r.Kept != "" {
				rel += ": " + r.Kept
			}
			out = append(out, rel)
		}
		slices.Sort(out)
		return out
	}
	want := []string{"bin/gone", "store/.new-" + strings.Repeat("1", 64), "store/gone@1 from http", "store/installed/gone", "store/keep@1 from http", "store/partial/" + strings.Repeat("0", 64)}
	dry, err := s.GC(t.Context(), []Want{keep}, true)
	if err != nil || !slices.Equal(names(dry), want) {
		t.Errorf("%q %v, want %q", names(dry), err, want)
	}
	says(t, filepath.Join(s.Bin, "gone"), "gone1")
	list, err := s.GC(t.Context(), []Want{keep}, false)
	if err != nil || !slices.Equal(names(list), want) {
		t.Errorf("%q %v, want %q", names(list), err, want)
	}
	says(t, filepath.Join(s.Bin, "keep"), "keep2")
	if b, err := os.ReadFile(filepath.Join(s.Bin, "built")); err != nil || string(b) != "mine" {
		t.Errorf("what was built is gone: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(s.Bin, "gone")); err == nil {
		t.Error("a link stayed")
	}
	if list, err := s.GC(t.Context(), []Want{keep}, false); err != nil || len(list) > 0 {
		t.Errorf("once more: %q %v", names(list), err)
	}
	// A new version that is wanted but not installed does not take away what is.
	if list, err := s.GC(t.Context(), []Want{put("keep", "3")}, false); err != nil || len(list) > 0 {
		t.Errorf("a version that is not there yet: %q %v", names(list), err)
	}
	if list, err := newStore(t).GC(t.Context(), nil, false); err != nil || len(list) > 0 {
		t.Errorf("an empty store: %v %v", list, err)
	}
}

// What runs is never removed.
func TestGCRunning(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells what runs")
	}
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	binary, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	web, s := newSite(t), newStore(t)
	w, text := fromURL("napper", "1", web.put("/sleep", binary)), fromURL("script", "1", web.put("/script", []byte("#!/bin/sh\nread line\n")))
	mustLock(t, s, w, text)
	paths := mustInstall(t, s, w, text)
	var ends []func()
	for _, path := range []string{paths["napper"], paths["script"]} {
		cmd := exec.Command(path, "1000")
		in, err := cmd.StdinPipe() // what the script waits for
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, func() { cmd.Process.Kill(); in.Close(); _ = cmd.Wait() })
	}
	list, err := s.GC(t.Context(), nil, false)
	for _, end := range ends {
		end()
	}
	if err != nil || len(list) != 2 || list[0].Kept == "" || list[1].Kept == "" {
		t.Errorf("%+v %v", list, err)
	}
	if _, err := os.Stat(paths["napper"]); err != nil {
		t.Error(err)
	}
	list, err = s.GC(t.Context(), nil, false)
	if err != nil || len(list) < 6 {
		t.Errorf("%+v %v", list, err)
	}
	if left, _ := os.ReadDir(s.Bin); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
