package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// item is one entry of an archive that a test packs.
type item struct {
	name, text string
	mode       int64
	typ        byte // tar's; a file if 0
	link       string
}

func packTar(t testing.TB, items ...item) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, i := range items {
		h := &tar.Header{Name: i.name, Mode: i.mode, Typeflag: i.typ, Linkname: i.link, Size: int64(len(i.text))}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, i.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compressed(t testing.TB, format Format, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch format {
	case TarGz:
		w = gzip.NewWriter(&b)
	case TarXz:
		w, err = xz.NewWriter(&b)
	case TarZst:
		w, err = zstd.NewWriter(&b)
	default:
		return content
	}
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packZip(t testing.TB, items ...item) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, i := range items {
		h := &zip.FileHeader{Name: i.name, Method: zip.Deflate}
		mode := fs.FileMode(i.mode)
		switch i.typ {
		case tar.TypeSymlink:
			mode, i.text = fs.ModeSymlink|0o777, i.link
		case tar.TypeFifo:
			mode = fs.ModeNamedPipe
		}
		h.SetMode(mode)
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = io.WriteString(f, i.text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpack unpacks content into a directory beside which a secret lies.
func unpack(t testing.TB, u *Unpacker, name string, content []byte) (dir string, err error) {
	t.Helper()
	top := t.TempDir()
	if err := os.WriteFile(filepath.Join(top, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(top, "in")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if u.Root, err = os.OpenRoot(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Root.Close() })
	file := filepath.Join(top, "packed")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = u.Unpack(context.Background(), f, name, "tool")
	outside(t, top)
	return dir, err
}

// outside looks for what an archive did beside its directory, and for links and
// modes that no archive may have.
func outside(t testing.TB, top string) {
	t.Helper()
	entries, err := os.ReadDir(top)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	b, err := os.ReadFile(filepath.Join(top, "secret"))
	if !slices.Equal(names, []string{"in", "packed", "secret"}) || string(b) != "secret" {
		t.Fatalf("beside the directory: %v, secret %q %v", names, b, err)
	}
	in := filepath.Join(top, "in")
	err = filepath.WalkDir(in, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.Type() == fs.ModeSymlink:
			if real, err := filepath.EvalSymlinks(path); err == nil && real != in && !strings.HasPrefix(real, in+"/") {
				t.Errorf("%s leads to %s", path, real)
			}
		case !d.IsDir() && !d.Type().IsRegular():
			t.Errorf("%s is %s", path, info.Mode())
		case info.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky|0o022) != 0:
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var good = []item{
	{name: "./", typ: tar.TypeDir, mode: 0o777},
	{name: "tool-1/", typ: tar.TypeDir, mode: 0o700},
	{name: "tool-1/bin/tool", text: "program", mode: 0o6777},
	{name: "tool-1/bin/t", typ: tar.TypeSymlink, link: "tool"},
	{name: "tool-1/lib", typ: tar.TypeSymlink, link: "../share/./lib"},
	{name: "share/lib/a.txt", text: "words", mode: 0o604},
	{name: "share/empty"},
}

func TestFormats(t *testing.T) {
	for _, format := range []Format{Tar, TarGz, TarXz, TarZst, Zip} {
		var items []item
		var content []byte
		if format == Zip {
			items = slices.Clone(good[1:])
			items[0].mode = int64(fs.ModeDir | 0o700)
			content = packZip(t, items...)
		} else {
			items = append(slices.Clone(good), item{name: "tool-1/bin/again", typ: tar.TypeLink, link: "tool-1/bin/tool"})
			content = compressed(t, format, packTar(t, items...))
		}
		u := &Unpacker{Limits: Limits{Packed: int64(len(content))}}
		dir, err := unpack(t, u, "x."+string(format), content)
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		for path, want := range map[string]string{"tool-1/bin/tool": "program", "tool-1/bin/t": "program", "tool-1/lib/a.txt": "words", "share/empty": ""} {
			if b, err := os.ReadFile(filepath.Join(dir, path)); err != nil || string(b) != want {
				t.Errorf("%s: %s is %q %v", format, path, b, err)
			}
		}
		f := u.Files()["tool-1/bin/tool"]
		if f.Mode != 0o755 || f.Size != 7 || f.SHA256 != fmt.Sprintf("%x", sha256.Sum256([]byte("program"))) || !f.Executable() {
			t.Errorf("%s: %+v", format, f)
		}
		if f := u.Files()["share/lib/a.txt"]; f.Mode != 0o604 || f.Executable() {
			t.Errorf("%s: %+v", format, f)
		}
		want := []string{"share/empty", "share/lib/a.txt", "tool-1/bin/again", "tool-1/bin/t", "tool-1/bin/tool", "tool-1/lib"}
		if format == Zip {
			want = slices.Delete(want, 2, 3)
		}
		if got := slices.Sorted(maps.Keys(u.Files())); !slices.Equal(got, want) {
			t.Errorf("%s: files %v, want %v", format, got, want)
		}
	}
	u := &Unpacker{}
	dir, err := unpack(t, u, "tool-linux", []byte("#!/bin/sh\n"))
	if info, err2 := os.Stat(filepath.Join(dir, "tool")); err != nil || err2 != nil || info.Mode() != 0o755 {
		t.Errorf("a plain file: %v %v %v", info, err, err2)
	}
}

// Names lie: what they promise must be there.
func TestDetect(t *testing.T) {
	for name, want := range map[string]string{"a.tar.gz": "a.tar.gz is no tar.gz: the content is plain", "a.TGZ": "is no tar.gz", "a.zip": "is no zip"} {
		_, err := unpack(t, &Unpacker{}, name, []byte("<html>not found</html>"))
		var refused *Error
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := unpack(t, &Unpacker{}, "a.zip", compressed(t, TarGz, packTar(t, good...))); err == nil || !strings.Contains(err.Error(), "the content is tar.gz") {
		t.Error(err)
	}
	if _, err := unpack(t, &Unpacker{}, "a", compressed(t, TarGz, []byte("no tar file at all"))); err == nil {
		t.Error("compressed content that is no archive was unpacked")
	}
}

func TestHostile(t *testing.T) {
	link := func(name, to string) item { return item{name: name, typ: tar.TypeSymlink, link: to} }
	file := func(name string) item { return item{name: name, text: "x"} }
	for what, tt := range map[string]struct {
		items []item
		want  string
		noZip bool
	}{
		"absolute":               {[]item{file("/etc/passwd")}, `entry "/etc/passwd": the name is absolute`, false},
		"traversal":              {[]item{file("../secret")}, `the name leads out of the archive`, false},
		"traversal within":       {[]item{file("a/../../secret")}, `the name leads out of the archive`, false},
		"backslash":              {[]item{file(`..\secret`)}, `backslash`, false},
		"control":                {[]item{file("a\nb")}, `control character`, false},
		"absolute link":          {[]item{link("a", "/etc")}, `entry "a": the link to "/etc" is absolute`, false},
		"link out":               {[]item{link("a", "../secret")}, `leads out of the archive`, false},
		"link out below":         {[]item{link("a/b", "../../secret")}, `leads out of the archive`, false},
		"link that goes up late": {[]item{link("p/q/l", "../../r"), link("m", "p/q/l/../../secret")}, `goes up again after it went down`, false},
		"empty link":             {[]item{link("a", "")}, `the link says no path`, true},
		"through a link":         {[]item{{name: "d", typ: tar.TypeDir}, link("a", "d"), file("a/b")}, `entry "a/b": it passes through the link "a"`, true},
		"link below a link":      {[]item{{name: "p/q", typ: tar.TypeDir}, link("a", "p"), link("a/q/x", "../../secret")}, `it passes through the link "a"`, true},
		"over a link":            {[]item{link("a", "b"), file("a")}, `entry "a": it is there twice`, false},
		"twice":                  {[]item{file("a"), file("./a")}, `it is there twice`, false},
		"file as directory":      {[]item{file("a"), file("a/b")}, `the file "a" is in its way`, false},
		"directory as file":      {[]item{file("a/b"), file("a")}, `it is a directory and a file`, false},
		"case of a link":         {[]item{link("a", "b"), file("A")}, `only its case differs from that of "a"`, false},
		"case below a link":      {[]item{link("a", "b"), file("A/x")}, `only its case differs from that of "a"`, false},
		"the directory":          {[]item{file(".")}, `it is the directory itself`, false},
		"no name":                {[]item{file("")}, ``, false},
		"deep":                   {[]item{file(strings.Repeat("a/", 65) + "x")}, `it lies deeper than 64 directories`, false},
		"device":                 {[]item{{name: "null", typ: tar.TypeChar}}, `it is a device, a FIFO or something else`, true},
		"block device":           {[]item{{name: "sda", typ: tar.TypeBlock}}, `it is a device`, true},
		"fifo":                   {[]item{{name: "f", typ: tar.TypeFifo}}, `it is a device, a FIFO`, false},
		"hard link out":          {[]item{{name: "a", typ: tar.TypeLink, link: "../secret"}}, `leads out of the archive`, true},
		"hard link to nothing":   {[]item{{name: "a", typ: tar.TypeLink, link: "b"}}, `it is a link to "b", which is no file before it`, true},
		"hard link to a link":    {[]item{link("l", "x"), {name: "a", typ: tar.TypeLink, link: "l"}}, `which is no file before it`, true},
		"hard link to itself":    {[]item{{name: "a", typ: tar.TypeLink, link: "a"}}, `which is no file before it`, true},
		"absolute hard link":     {[]item{{name: "a", typ: tar.TypeLink, link: "/etc/passwd"}}, `the name is absolute`, true},
		"too many files":         {[]item{file("a"), file("b"), file("c"), file("d"), file("e")}, `it has more than 4 files`, false},
		"too many bytes":         {[]item{{name: "a", text: strings.Repeat("x", 70<<10)}}, `it unpacks to more than 65536 bytes`, false},
	} {
		t.Run(what, func(t *testing.T) {
			contents := map[string][]byte{"x.tar.gz": compressed(t, TarGz, packTar(t, tt.items...))}
			if !tt.noZip {
				contents["x.zip"] = packZip(t, tt.items...)
			}
			for name, content := range contents {
				_, err := unpack(t, &Unpacker{Limits: Limits{Files: 4, Bytes: 64 << 10}}, name, content)
				var refused *Error
				if !errors.As(err, &refused) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: %v, want %s", name, err, tt.want)
				}
			}
		})
	}
}

// Names that differ in case only are two files where the file system says so.
func TestFoldCase(t *testing.T) {
	content := packTar(t, item{name: "doc/Makefile"}, item{name: "doc/makefile"})
	if _, err := unpack(t, &Unpacker{}, "x.tar", content); err != nil {
		t.Error(err)
	}
	if _, err := unpack(t, &Unpacker{FoldCase: true}, "x.tar", content); err == nil || !strings.Contains(err.Error(), `only its case differs from that of "doc/Makefile"`) {
		t.Error(err)
	}
	if _, err := unpack(t, &Unpacker{FoldCase: true}, "x.tar", packTar(t, item{name: "a/x"}, item{name: "A/y"})); err == nil {
		t.Error("directories that differ in case only")
	}
}

func TestBomb(t *testing.T) {
	zeros := make([]byte, 3<<20)
	tarred := packTar(t, item{name: "zeros", text: string(zeros)})
	for name, content := range map[string][]byte{
		"x.tar.gz": compressed(t, TarGz, tarred), "x.tar.zst": compressed(t, TarZst, tarred), "x.zip": packZip(t, item{name: "zeros", text: string(zeros)}),
	} {
		_, err := unpack(t, &Unpacker{Limits: Limits{Packed: int64(len(content)), Free: 1 << 20}}, name, content)
		if err == nil || !strings.Contains(err.Error(), "it unpacks to more than 200 times its ") {
			t.Errorf("%s of %d bytes: %v", name, len(content), err)
		}
	}
}

// Wherever an archive ends, it is damaged.
func TestTruncated(t *testing.T) {
	text := strings.Repeat("0123456789abcdef\n", 500)
	tarred := packTar(t, item{name: "a", text: text}, item{name: "b", text: text})
	for name, content := range map[string][]byte{
		"x.tar.gz": compressed(t, TarGz, tarred), "x.tar.xz": compressed(t, TarXz, tarred), "x.tar.zst": compressed(t, TarZst, tarred), "x.zip": packZip(t, item{name: "a", text: text}),
	} {
		for _, cut := range []int{len(content) - 1, len(content) - 4, len(content) / 2, 20} {
			_, err := unpack(t, &Unpacker{}, name, content[:cut])
			var refused *Error
			if !errors.As(err, &refused) {
				t.Errorf("%s with %d of %d bytes: %v", name, cut, len(content), err)
			}
		}
		flipped := bytes.Clone(content)
		flipped[len(flipped)/2] ^= 0x40
		if _, err := unpack(t, &Unpacker{}, name, flipped); err == nil {
			t.Errorf("%s with a flipped bit was unpacked", name)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	u := &Unpacker{Root: root}
	if err := u.Layer(ctx, bytes.NewReader(packTar(t, good...)), Tar); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Layers replace, remove and hide what is below them, and their absolute links
// mean their own root.
func TestLayers(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	u := &Unpacker{Root: root}
	for _, layer := range [][]item{
		{{name: "bin", typ: tar.TypeSymlink, link: "usr/bin"}, {name: "usr/bin/tool", text: "old", mode: 0o755}, {name: "etc/a"}, {name: "etc/b"}, {name: "var/x/y"}, {name: "d/file"}},
		{{name: "usr/bin/tool", text: "new", mode: 0o755}, {name: "etc/.wh.a"}, {name: "var/.wh..wh..opq"}, {name: "var/z"}, {name: "d", text: "now a file"}, {name: "usr/lib/l", typ: tar.TypeSymlink, link: "/usr/bin/tool"}},
	} {
		if err := u.Layer(t.Context(), bytes.NewReader(packTar(t, layer...)), Tar); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{"bin/tool": "new", "usr/lib/l": "new", "etc/b": "", "var/z": "", "d": "now a file"} {
		if b, err := os.ReadFile(filepath.Join(dir, path)); err != nil || string(b) != want {
			t.Errorf("%s: %q %v", path, b, err)
		}
	}
	for _, gone := range []string{"etc/a", "var/x/y", "d/file"} {
		if _, ok := u.Files()[gone]; ok {
			t.Errorf("%s is still listed", gone)
		}
		if _, err := os.Lstat(filepath.Join(dir, gone)); err == nil {
			t.Errorf("%s is still there", gone)
		}
	}
	for _, bad := range [][]item{
		{{name: "bin/tool", text: "through a link"}}, {{name: "bin/.wh.tool"}}, {{name: ".wh."}}, {{name: "../.wh.x"}},
		{{name: "x", typ: tar.TypeSymlink, link: "../../out"}}, {{name: "null", typ: tar.TypeChar}},
	} {
		if err := u.Layer(t.Context(), bytes.NewReader(packTar(t, bad...)), Tar); err == nil {
			t.Errorf("%+v was unpacked", bad)
		}
	}
}

// Whatever an archive says, nothing comes to lie outside, no link leads there,
// and what is listed is there.
func FuzzUnpack(f *testing.F) {
	f.Add("x.tar.gz", compressed(f, TarGz, packTar(f, good...)))
	f.Add("x.tar.xz", compressed(f, TarXz, packTar(f, good[:3]...)))
	f.Add("x.tar.zst", compressed(f, TarZst, packTar(f, good[:3]...)))
	f.Add("x.zip", packZip(f, good[2:]...))
	f.Add("x.tar", packTar(f, good...))
	f.Add("x.tar", packTar(f, item{name: "a", typ: tar.TypeSymlink, link: "b/../.."}, item{name: "../x"}))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		u := &Unpacker{Limits: Limits{Packed: int64(len(content)), Bytes: 1 << 20, Files: 100}}
		dir, err := unpack(t, u, name, content)
		if err != nil {
			return
		}
		for path, file := range u.Files() {
			if info, err := os.Lstat(filepath.Join(dir, path)); err != nil || (file.Link != "") != (info.Mode().Type() == fs.ModeSymlink) {
				t.Errorf("%s is listed as %+v: %v %v", path, file, info, err)
			}
		}
	})
}
