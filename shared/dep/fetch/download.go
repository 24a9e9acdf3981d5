package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

var (
	errTooLong = errors.New("too long")
	// ErrMismatch is wrapped where what was downloaded is not what was expected.
	ErrMismatch = errors.New("it is not what was expected")
	errIdle     = errors.New("the server says nothing any more")
)

// Download is a file to fetch.
type Download struct {
	URL    string
	Header http.Header
	Size   int64  // bytes; -1 where it is not known yet
	SHA256 string // hexadecimal; empty where it is not known yet
	Max    int64  // bytes, where the size is not known
}

// Sum says what a file is.
type Sum struct {
	Size   int64
	SHA256 string
}

// Download fetches into a file, or goes on where an earlier call ended. After an
// error the file stays for the next call, unless it is wrong. progress may be nil;
// its total is -1 where it is not known.
func (c *Client) Download(ctx context.Context, d Download, file string, progress func(done, total int64)) (Sum, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return Sum{}, err
	}
	defer f.Close()
	p := &partial{Client: c, d: d, f: f, validator: file + ".etag", progress: progress}
	if err := p.begin(); err != nil {
		return Sum{}, err
	}
	var errs []error
	for _, text := range c.mirrored(d.URL) {
		sum, err := p.from(ctx, text)
		if err == nil {
			os.Remove(p.validator)
			return sum, f.Sync()
		}
		if ctx.Err() != nil {
			return Sum{}, context.Cause(ctx)
		}
		errs = append(errs, err)
	}
	return Sum{}, first(errs)
}

// partial is a download that goes on.
type partial struct {
	*Client
	d         Download
	f         *os.File
	validator string // file with what identifies the server's version
	progress  func(done, total int64)

	have    int64
	most    int64 // that have ever was
	resumed bool  // bytes are from an earlier response
}

// begin looks at what an earlier call left.
func (p *partial) begin() error {
	info, err := p.f.Stat()
	if err != nil {
		return err
	}
	p.have = info.Size()
	known := p.d.SHA256 != ""
	if _, err := os.Stat(p.validator); !known && err != nil || known && p.have > p.d.Size {
		return p.restart()
	}
	p.resumed = p.have > 0
	return nil
}

func (p *partial) restart() error {
	p.have, p.resumed = 0, false
	os.Remove(p.validator)
	if err := p.f.Truncate(0); err != nil {
		return err
	}
	_, err := p.f.Seek(0, io.SeekStart)
	return err
}

// from downloads from one server.
func (p *partial) from(ctx context.Context, text string) (Sum, error) {
	for attempt, rounds := 1, 1; ; attempt, rounds = attempt+1, rounds+1 {
		err := p.once(ctx, text)
		if err == nil {
			var sum Sum
			if sum, err = p.check(text); err == nil {
				return sum, nil
			}
			again := p.resumed
			if err := p.restart(); err != nil {
				return Sum{}, err
			}
			if !again {
				return Sum{}, err
			}
			continue // the part from before was wrong
		}
		if ctx.Err() != nil {
			return Sum{}, err
		}
		p.resumed = p.have > 0
		if p.have > p.most {
			p.most, attempt = p.have, 1
		}
		if errors.Is(err, ErrMismatch) {
			return Sum{}, errors.Join(err, p.restart())
		}
		counted(err, attempt)
		if !again(err) || attempt >= p.Attempts || rounds >= 100 {
			return Sum{}, err
		}
		if err := p.pause(ctx, attempt, err); err != nil {
			return Sum{}, err
		}
	}
}

// check verifies the whole file.
func (p *partial) check(text string) (Sum, error) {
	if _, err := p.f.Seek(0, io.SeekStart); err != nil {
		return Sum{}, err
	}
	h := sha256.New()
	n, err := io.Copy(h, p.f)
	if err != nil {
		return Sum{}, err
	}
	sum := Sum{Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}
	if p.d.Size >= 0 && n != p.d.Size {
		return sum, &Error{URL: Show(text), Err: fmt.Errorf("%w: it has %d bytes: want %d", ErrMismatch, n, p.d.Size)}
	}
	if p.d.SHA256 != "" && sum.SHA256 != p.d.SHA256 {
		return sum, &Error{URL: Show(text), Err: fmt.Errorf("%w: its sha256 is %s: want %s", ErrMismatch, sum.SHA256, p.d.SHA256)}
	}
	return sum, nil
}

// once sends one request and appends what it brings.
func (p *partial) once(ctx context.Context, text string) error {
	if p.d.SHA256 != "" && p.have == p.d.Size {
		p.progress(p.have, p.d.Size)
		return nil // it is all there
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(p.Idle, func() { cancel(errIdle) })
	defer idle.Stop()
	header := http.Header{}
	for name, values := range p.d.Header {
		header[name] = values
	}
	if p.have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", p.have))
		if tag, err := os.ReadFile(p.validator); err == nil {
			header.Set("If-Range", string(tag))
		}
	}
	fail := func(err error) error {
		if cause := context.Cause(ctx); errors.Is(cause, errIdle) {
			err = fmt.Errorf("%w for %v", errIdle, p.Idle)
		}
		return &Error{URL: Show(text), Err: err}
	}
	r, err := p.ask(ctx, text, header)
	if err != nil {
		if errors.Is(context.Cause(ctx), errIdle) {
			return fail(err)
		}
		return err
	}
	defer r.Body.Close()
	switch {
	case r.StatusCode == http.StatusPartialContent && p.have > 0 && startsAt(r.Header.Get("Content-Range"), p.have):
	case r.StatusCode == http.StatusOK:
		if err := p.restart(); err != nil {
			return err
		}
		p.remember(r.Header)
	case r.StatusCode == http.StatusRequestedRangeNotSatisfiable, r.StatusCode == http.StatusPartialContent:
		if err := p.restart(); err != nil {
			return err
		}
		return &Error{URL: Show(text), Err: errors.New("it cannot be gone on with")}
	default:
		return refused(text, r)
	}
	limit, total := p.d.Size, p.d.Size
	if limit < 0 {
		limit = p.d.Max
		if r.ContentLength >= 0 {
			total = p.have + r.ContentLength
		}
	}
	if r.ContentLength >= 0 && p.have+r.ContentLength > limit {
		return &Error{URL: Show(text), Err: fmt.Errorf("%w: it has %d bytes: want %s%d", errTooLong, p.have+r.ContentLength, atMost(p.d.Size), limit)}
	}
	if _, err := p.f.Seek(p.have, io.SeekStart); err != nil {
		return err
	}
	buffer := make([]byte, 64<<10)
	for {
		n, err := r.Body.Read(buffer)
		idle.Reset(p.Idle)
		if p.have+int64(n) > limit {
			return &Error{URL: Show(text), Err: fmt.Errorf("%w: it has more than %d bytes", errTooLong, limit)}
		}
		if _, err := p.f.Write(buffer[:n]); err != nil {
			return err
		}
		p.have += int64(n)
		p.progress(p.have, total)
		if errors.Is(err, io.EOF) {
			if p.d.Size >= 0 && p.have < p.d.Size {
				if r.ContentLength >= 0 && r.StatusCode == http.StatusOK {
					return fail(fmt.Errorf("%w: it has %d bytes: want %d", ErrMismatch, p.have, p.d.Size))
				}
				return fail(io.ErrUnexpectedEOF)
			}
			return nil
		}
		if err != nil {
			return fail(err)
		}
	}
}

func atMost(size int64) string {
	if size < 0 {
		return "at most "
	}
	return ""
}

// startsAt reports whether a Content-Range begins where the file ends.
func startsAt(text string, at int64) bool {
	rest, ok := strings.CutPrefix(text, "bytes ")
	begin, _, ok2 := strings.Cut(rest, "-")
	n, err := strconv.ParseInt(begin, 10, 64)
	return ok && ok2 && err == nil && n == at
}

// remember keeps what identifies the server's version of the file, if that is sure
// to.
func (p *partial) remember(h http.Header) {
	tag := h.Get("ETag")
	if tag == "" || strings.HasPrefix(tag, "W/") {
		tag = h.Get("Last-Modified")
	}
	if tag != "" && len(tag) < 1024 {
		_ = os.WriteFile(p.validator, []byte(tag), 0o600) // without it, it begins anew
	}
}
