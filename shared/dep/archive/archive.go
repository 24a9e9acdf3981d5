package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Error says why an archive is refused.
type Error struct {
	Entry  string // name inside the archive; empty where it is the whole
	Reason string
	Err    error // may be nil
	// TooLarge: only [Limits].Bytes forbids it.
	TooLarge bool
	// TooLong: only the length of Entry forbids it.
	TooLong bool
}

func (e *Error) Error() string {
	s := e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Entry != "" {
		return fmt.Sprintf("entry %q: %s", e.Entry, s)
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Format is how content is packed.
type Format string

// Formats.
const (
	Plain  Format = "plain"
	Tar    Format = "tar"
	TarGz  Format = "tar.gz"
	TarXz  Format = "tar.xz"
	TarZst Format = "tar.zst"
	Zip    Format = "zip"
)

// suffixes are what names of archives end in.
var suffixes = []struct {
	suffix string
	format Format
}{
	{".tar.gz", TarGz}, {".tgz", TarGz}, {".tar.xz", TarXz}, {".txz", TarXz}, {".tar.zst", TarZst}, {".zip", Zip}, {".tar", Tar},
}

const headBytes = 512 // a tar header

// Detect tells the format by how the content begins. A name that promises an
// archive must hold what it promises.
func Detect(name string, head []byte) (Format, error) {
	format := Plain
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		format = TarGz
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		format = TarXz
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		format = TarZst
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		format = Zip
	case len(head) >= headBytes && bytes.Equal(head[257:262], []byte("ustar")):
		format = Tar
	}
	for _, s := range suffixes {
		if strings.HasSuffix(strings.ToLower(name), s.suffix) && s.format != format {
			return "", &Error{Reason: fmt.Sprintf("%s is no %s: the content is %s", name, s.format, format)}
		}
	}
	return format, nil
}

// Limits bound what is unpacked. The zero value of each means its default.
type Limits struct {
	Packed int64 // bytes of the archive; unpacking to more than Ratio times as many is refused
	Ratio  int64 // 200
	Free   int64 // bytes that no ratio forbids; 64 MiB
	Bytes  int64 // of all files; 8 GiB
	Files  int   // of all kinds; 200,000
}

const (
	defaultRatio = 200
	defaultBytes = 8 << 30
	defaultFiles = 200_000
	defaultFree  = 64 << 20
	maxName      = 4096
	maxPart      = 255 // of a name, as file systems have it
	maxDepth     = 64
)

// File is one file that was unpacked.
type File struct {
	Mode   uint32 `json:"mode"`             // permission bits
	Size   int64  `json:"size"`             // bytes
	SHA256 string `json:"sha256,omitempty"` // of its content, hexadecimal
	Link   string `json:"link,omitempty"`   // what a symbolic link says
}

// Executable reports whether it is a regular file that may be run.
func (f File) Executable() bool { return f.Link == "" && f.Mode&0o111 != 0 }

// Unpacker unpacks into one directory.
type Unpacker struct {
	Root   *os.Root
	Limits Limits
	// FoldCase refuses all names that differ in case only, for file systems that
	// make no difference.
	FoldCase bool

	files map[string]File // regular files and links, by slash-separated path
	kinds map[string]kind // of this archive's entries
	folds map[string]string
	layer bool
	bytes int64
	count int
}

// Files are what has been unpacked, by slash-separated path below the root.
func (u *Unpacker) Files() map[string]File { return u.files }

// Unpack unpacks one archive. plain names the file in which content that is no
// archive ends up; it is executable.
func (u *Unpacker) Unpack(ctx context.Context, f *os.File, name, plain string) error {
	u.begin(false)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, headBytes)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	format, err := Detect(name, head[:n])
	if err != nil {
		return err
	}
	r := io.NewSectionReader(f, 0, info.Size())
	switch format {
	case Zip:
		err = u.zip(ctx, r)
	case Plain:
		err = u.regular(ctx, plain, 0o755, r)
	case TarXz:
		if err = whole(f, info.Size()); err == nil {
			err = u.stream(ctx, format, r)
		}
	default:
		err = u.stream(ctx, format, r)
	}
	if err == nil && len(u.files) == 0 {
		return &Error{Reason: fmt.Sprintf("the %s archive has no files", format)}
	}
	return err
}

// whole looks for the end of an xz file: the decoder takes one that ends in the
// header of a block for one without further blocks.
func whole(f io.ReaderAt, size int64) error {
	tail := make([]byte, 4) // files are padded with zeros in fours
	for ; size >= 4; size -= 4 {
		if _, err := f.ReadAt(tail, size-4); err != nil {
			return err
		}
		if !bytes.Equal(tail, make([]byte, 4)) {
			break
		}
	}
	if !bytes.HasSuffix(tail, []byte("YZ")) {
		return damaged(TarXz, io.ErrUnexpectedEOF)
	}
	return nil
}

// Layer unpacks a layer of an image over what has been unpacked. Its format is
// [Tar], [TarGz] or [TarZst].
func (u *Unpacker) Layer(ctx context.Context, r io.Reader, format Format) error {
	u.begin(true)
	return u.stream(ctx, format, r)
}

// Single writes one file that is no archive.
func (u *Unpacker) Single(ctx context.Context, r io.Reader, name string) error {
	u.begin(true)
	clean, err := u.clean(name)
	if err != nil {
		return err
	}
	return u.regular(ctx, clean, 0o755, r)
}

func (u *Unpacker) begin(layer bool) {
	if u.files == nil {
		u.files = map[string]File{}
	}
	if u.Limits.Ratio == 0 {
		u.Limits.Ratio = defaultRatio
	}
	if u.Limits.Free == 0 {
		u.Limits.Free = defaultFree
	}
	if u.Limits.Bytes == 0 {
		u.Limits.Bytes = defaultBytes
	}
	if u.Limits.Files == 0 {
		u.Limits.Files = defaultFiles
	}
	u.layer, u.kinds, u.folds = layer, map[string]kind{}, map[string]string{}
}

// stream unpacks a tar file that may be compressed.
func (u *Unpacker) stream(ctx context.Context, format Format, packed io.Reader) error {
	packed = bufio.NewReaderSize(packed, 64<<10)
	r := packed
	switch format {
	case TarGz:
		z, err := gzip.NewReader(packed)
		if err != nil {
			return damaged(format, err)
		}
		r = z
	case TarXz:
		z, err := xz.NewReader(packed)
		if err != nil {
			return damaged(format, err)
		}
		r = z
	case TarZst:
		z, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return damaged(format, err)
		}
		defer z.Close()
		r = z
	case Tar:
	default:
		return &Error{Reason: fmt.Sprintf("a layer cannot be %q", format)}
	}
	counted := &metered{r: &stops{ctx, r}, u: u}
	t := tar.NewReader(counted)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = u.entry(ctx, h, t)
		}
		if err != nil {
			return damaged(format, err)
		}
	}
	// The checksum of what is compressed comes last.
	if _, err := io.Copy(io.Discard, counted); err != nil {
		return damaged(format, err)
	}
	return nil
}

// damaged is an error of a decoder; those that say what is wrong stay.
func damaged(format Format, err error) error {
	var refused *Error
	switch {
	case errors.As(err, &refused), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &Error{Reason: fmt.Sprintf("the %s archive ends too early", format), Err: io.ErrUnexpectedEOF}
	}
	var path *os.PathError
	var link *os.LinkError
	if errors.As(err, &path) || errors.As(err, &link) {
		return err
	}
	return &Error{Reason: fmt.Sprintf("the %s archive is damaged", format), Err: err}
}

// stops ends reading with a context.
type stops struct {
	ctx context.Context
	r   io.Reader
}

func (s *stops) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}

// metered counts what is unpacked, headers and padding too.
type metered struct {
	r io.Reader
	u *Unpacker
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if over := m.u.grow(int64(n)); over != nil {
		return 0, over
	}
	return n, err
}

// grow counts bytes.
func (u *Unpacker) grow(n int64) error {
	u.bytes += n
	if u.bytes > u.Limits.Bytes {
		return &Error{Reason: fmt.Sprintf("it unpacks to more than %d bytes", u.Limits.Bytes), TooLarge: true}
	}
	if p := u.Limits.Packed; p > 0 && u.bytes > u.Limits.Free && u.bytes/u.Limits.Ratio > p {
		return &Error{Reason: fmt.Sprintf("it unpacks to more than %d times its %d bytes", u.Limits.Ratio, p)}
	}
	return nil
}
