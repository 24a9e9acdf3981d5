package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrOffline is wrapped where something would have to be asked for over the network
// and must not be.
var ErrOffline = errors.New("the network is not to be used (setting dep.offline)")

var errRedirect = errors.New("redirected")

// Mirror stands for servers that something is fetched from instead.
type Mirror struct{ Prefix, Replacement string }

// Options are how a client works. The zero value is one for the open internet.
type Options struct {
	Mirrors []Mirror
	Offline bool
	// Authorize adds credentials to a request; may be nil. It sees requests as
	// they are sent, after mirrors, and not those of redirects.
	Authorize func(*http.Request)
	Idle      time.Duration // silence after which a connection is given up; 30 s
	Attempts  int           // in a row without a byte; 6
	// Sleep waits between attempts; the real clock if nil.
	Sleep func(context.Context, time.Duration) error
	// Transport is used instead of one of its own; may be nil.
	Transport http.RoundTripper
}

// Client downloads.
type Client struct {
	Options
	http *http.Client
}

// New makes a client; Close frees its connections.
func New(o Options) *Client {
	if o.Idle == 0 {
		o.Idle = 30 * time.Second
	}
	if o.Attempts == 0 {
		o.Attempts = 6
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DisableCompression = true // what is counted and hashed is what is sent
		t.ResponseHeaderTimeout = o.Idle
		o.Transport = t
	}
	return &Client{Options: o, http: &http.Client{Transport: o.Transport, CheckRedirect: redirect}}
}

// Close closes connections that nobody uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func redirect(r *http.Request, via []*http.Request) error {
	switch {
	case len(via) > 10:
		return fmt.Errorf("%w more than 10 times", errRedirect)
	case r.URL.Scheme != "https" && via[len(via)-1].URL.Scheme == "https":
		return fmt.Errorf("%w from https to %s", errRedirect, r.URL.Scheme)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// Error says why something could not be fetched.
type Error struct {
	URL      string // without query and password
	Status   int    // of the response; 0 where there is none
	Header   http.Header
	Attempts int
	Err      error // may be nil where there is a status
}

func (e *Error) Error() string {
	s := "GET " + e.URL + ": "
	switch {
	case e.Status == 0:
		s += e.Err.Error()
	case e.Err != nil:
		s += fmt.Sprintf("%d %s: %v", e.Status, http.StatusText(e.Status), e.Err)
	default:
		s += fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Attempts > 1 {
		s += fmt.Sprintf(" (%d attempts)", e.Attempts)
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Status is the status that an error is about, 0 for none.
func Status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// Show is a URL as messages may have it.
func Show(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "a malformed URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// mirrored lists the URLs to ask instead of one.
func (c *Client) mirrored(text string) []string {
	var list []string
	for _, m := range c.Mirrors {
		if rest, ok := strings.CutPrefix(text, m.Prefix); ok {
			list = append(list, m.Replacement+rest)
		}
	}
	if list == nil {
		return []string{text}
	}
	return list
}

// ask sends one request.
func (c *Client) ask(ctx context.Context, text string, header http.Header) (*http.Response, error) {
	fail := func(err error) (*http.Response, error) {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // it names URLs with their query
		}
		return nil, &Error{URL: Show(text), Err: err}
	}
	if c.Offline {
		return fail(ErrOffline)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, text, nil)
	if err != nil {
		return fail(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", "core-dep/1")
	}
	if c.Authorize != nil {
		c.Authorize(r)
	}
	response, err := c.http.Do(r)
	if err != nil {
		return fail(err)
	}
	return response, nil
}

// refused makes the error of a response that is not what was asked for.
func refused(text string, r *http.Response) *Error {
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 64<<10)) // so that the connection can be used again
	return &Error{URL: Show(text), Status: r.StatusCode, Header: r.Header}
}

// longest is the longest time between two attempts.
const longest = 2 * time.Minute

// Temporary reports whether another call may do without the error: what was asked
// answers nothing, or what passes. Of several mirrors' errors one is enough.
func Temporary(err error) bool {
	switch e := err.(type) {
	case *Error:
		return again(e)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), Temporary)
	case interface{ Unwrap() error }:
		return Temporary(e.Unwrap())
	}
	return false
}

// again reports whether an error may be gone at another attempt.
func again(err error) bool {
	var e *Error
	if !errors.As(err, &e) || errors.Is(err, ErrOffline) || errors.Is(err, errTooLong) || errors.Is(err, ErrMismatch) || errors.Is(err, errRedirect) {
		return false
	}
	switch {
	case e.Status == http.StatusForbidden:
		return e.Header.Get("Retry-After") != ""
	case e.Status == http.StatusRequestTimeout, e.Status == http.StatusTooEarly, e.Status == http.StatusTooManyRequests:
		return true
	case e.Status >= 500:
		return e.Status != http.StatusNotImplemented && e.Status != http.StatusHTTPVersionNotSupported
	case e.Status >= 300:
		return false
	}
	// A server that is not trusted will not be at the next attempt either.
	var unknown x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var tlsError *tls.CertificateVerificationError
	return !errors.As(err, &unknown) && !errors.As(err, &wrongHost) && !errors.As(err, &tlsError)
}

// pause waits before the n-th repetition, from 1.
func (c *Client) pause(ctx context.Context, n int, err error) error {
	d := min(time.Second<<min(n-1, 10)/2, 30*time.Second)
	var e *Error
	if errors.As(err, &e) && e.Header != nil {
		if asked, ok := retryAfter(e.Header.Get("Retry-After")); ok {
			if asked > longest {
				e.Err = fmt.Errorf("the server asks to wait %v", asked.Round(time.Second))
				return e
			}
			d = max(d, asked)
		}
	}
	return c.Sleep(ctx, d)
}

// retryAfter reads a Retry-After header.
func retryAfter(text string) (time.Duration, bool) {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return time.Duration(min(n, 1<<30)) * time.Second, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at)), true
	}
	return 0, false
}

// Get is a small document to read.
type Get struct {
	URL    string
	Header http.Header
	Max    int64 // bytes; 1 MiB if 0
}

// Bytes reads a small document.
func (c *Client) Bytes(ctx context.Context, g Get) ([]byte, http.Header, error) {
	if g.Max == 0 {
		g.Max = 1 << 20
	}
	var errs []error
	for _, text := range c.mirrored(g.URL) {
		for attempt := 1; ; attempt++ {
			b, header, err := c.bytes(ctx, text, g)
			if err == nil {
				return b, header, nil
			}
			if ctx.Err() != nil {
				return nil, nil, context.Cause(ctx)
			}
			counted(err, attempt)
			if again(err) && attempt < c.Attempts {
				paused := c.pause(ctx, attempt, err)
				if paused == nil {
					continue
				}
				err = paused
			}
			errs = append(errs, err)
			break
		}
	}
	return nil, nil, first(errs)
}

// first is the only one of several errors, or all of them.
func first(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

func counted(err error, attempts int) {
	var e *Error
	if errors.As(err, &e) {
		e.Attempts = attempts
	}
}

func (c *Client) bytes(ctx context.Context, text string, g Get) ([]byte, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Idle)
	defer cancel()
	r, err := c.ask(ctx, text, g.Header)
	if err != nil {
		return nil, nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, nil, refused(text, r)
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, g.Max+1))
	if err != nil {
		return nil, nil, &Error{URL: Show(text), Err: err}
	}
	if int64(len(b)) > g.Max {
		return nil, nil, &Error{URL: Show(text), Err: fmt.Errorf("%w: it has more than %d bytes", errTooLong, g.Max)}
	}
	return b, r.Header, nil
}
