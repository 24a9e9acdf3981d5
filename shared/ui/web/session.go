package web

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// sessionCookie holds a session; sessionLife is how long it is good for.
const (
	sessionCookie = "core_session"
	sessionLife   = 12 * time.Hour
)

// sessions signs and checks session cookies. A session is not stored: it is
// good for as long as it says, under the token it was made with, so it outlives
// a restart of the console and ends with a new token.
type sessions struct {
	token Token
	key   []byte
	now   func() time.Time
}

func newSessions(t Token, now func() time.Time) (*sessions, error) {
	key, err := hkdf.Key(sha256.New, []byte(t), nil, "core console session v1", sha256.Size)
	return &sessions{token: t, key: key, now: now}, err
}

// login reports whether somebody knows the token, in a time that does not tell
// how much of it was right.
func (s *sessions) login(presented string) bool {
	want, got := sha256.Sum256([]byte(s.token)), sha256.Sum256([]byte(strings.TrimSpace(presented)))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// mint returns the value of a new session's cookie: expiry, nonce, signature.
func (s *sessions) mint() string {
	var nonce [12]byte
	rand.Read(nonce[:])
	payload := strconv.FormatInt(s.now().Add(sessionLife).Unix(), 10) + "." + base64.RawURLEncoding.EncodeToString(nonce[:])
	return payload + "." + s.sign(payload)
}

func (s *sessions) sign(payload string) string {
	m := hmac.New(sha256.New, s.key)
	m.Write([]byte(payload))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// expiry says until when a cookie's value is good; ok is false where it is not.
func (s *sessions) expiry(value string) (until time.Time, ok bool) {
	cut := strings.LastIndexByte(value, '.')
	if cut < 0 || !hmac.Equal([]byte(value[cut+1:]), []byte(s.sign(value[:cut]))) {
		return time.Time{}, false
	}
	seconds, _, _ := strings.Cut(value[:cut], ".")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	until = time.Unix(unix, 0)
	return until, s.now().Before(until)
}

// of finds the session of a request.
func (s *sessions) of(r *http.Request) (until time.Time, ok bool) {
	for _, c := range r.CookiesNamed(sessionCookie) {
		if until, ok := s.expiry(c.Value); ok {
			return until, true
		}
	}
	return time.Time{}, false
}

// cookie carries a session; an empty value ends it.
func (s *sessions) cookie(r *http.Request, value string) *http.Cookie {
	c := &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", HttpOnly: true,
		SameSite: http.SameSiteStrictMode, MaxAge: int(sessionLife / time.Second),
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}
