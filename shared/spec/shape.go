package spec

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"core.internal/shared/events"
)

// shape is a form that a text must have.
type shape struct {
	pattern string // for the JSON Schema; empty where a pattern cannot say it
	want    string
	reject  func(text string) string // the reason, or empty; nil: the pattern decides
}

// check returns why a text does not have the form, or nothing.
func (s shape) check(text string) string {
	if s.reject != nil {
		return s.reject(text)
	}
	if compiled[s.pattern]().MatchString(text) {
		return ""
	}
	if text == "" {
		return "empty"
	}
	return fmt.Sprintf("found %q", shorten(text))
}

// shorten keeps messages readable.
func shorten(text string) string {
	n := 0
	for i := range text {
		if n++; n > 64 {
			return text[:i] + "…"
		}
	}
	return text
}

const (
	idPattern    = `^[a-z][A-Za-z0-9_-]{0,63}$`
	linePattern  = `^[^\x00-\x1f\x7f-\x9f]*$`
	tokenPattern = `^[A-Za-z0-9_-]{1,64}$`
)

var (
	idForm    = lazy(idPattern)
	tokenForm = lazy(tokenPattern)
)

// shapes are the forms that spec tags name.
var shapes = map[string]shape{
	"id":         {pattern: idPattern, want: idWant, reject: rejectID},
	"token":      {pattern: tokenPattern, want: "1 to 64 letters, digits, '-' or '_'"},
	"port":       {pattern: tokenPattern, want: "1 to 64 letters, digits, '-' or '_', but not \"primary\"", reject: rejectPort},
	"dependency": {pattern: `^([a-z][A-Za-z0-9_-]{0,63}|core\.(bus|edge|controller|pipelines))$`, want: "the id of a service, or " + alternatives(Platform())},
	"line":       {pattern: linePattern, want: "text without line breaks and control characters"},
	"icon":       {pattern: `^[^\x00-\x1f\x7f-\x9f]{0,16}$`, want: "at most 16 characters, none of them a control character"},
	"file":       {pattern: `^[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}$`, want: "a file name of letters, digits, '.', '_', '+' or '-'"},
	"version":    {pattern: `^[A-Za-z0-9_][A-Za-z0-9._+~-]{0,127}$`, want: "a version of letters, digits, '.', '_', '+', '~' or '-'"},
	"repo":       {pattern: `^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$`, want: "a repository, as in owner/name"},
	"template":   {pattern: linePattern, want: "text in which only {version}, {os} and {arch} are in braces", reject: rejectTemplate},
	"asset-url":  {pattern: linePattern, want: "an http or https URL, as in https://example.org/tool-{version}-{os}-{arch}.tar.gz", reject: rejectDownload},
	"inner":      {pattern: linePattern, want: "a path inside the archive, as in tool-{version}/bin/tool", reject: rejectInner},
	"variable":   {pattern: `^[A-Za-z_][A-Za-z0-9_]{0,127}$`, want: "the name of a variable: letters, digits and '_', no digit first, 128 at most"},
	"path":       {pattern: `^/[^\x00-\x20\x7f]*$`, want: `a path that begins with "/"`},
	"local":      {want: "a file below the spec's directory, as a relative path", reject: rejectLocal},
	"absolute":   {want: "an absolute path, as in {shared.config.dir}/x.conf", reject: rejectRelative},
	"command":    {want: "an absolute path, or a command on PATH without a slash", reject: rejectCommand},
	"address":    {want: "host:port, as in 127.0.0.1:{ports.primary}", reject: rejectAddress},
	"url":        {want: "a URL, as in https://example.org/file.tar.gz", reject: rejectURL},
	"filled":     {want: "a path", reject: rejectEmpty},
	"envfile":    {want: `a path, absolute or below the node directory; "-" in front for one that may be missing`, reject: rejectEnvFile},
	"range":      {pattern: `^[0-9]{1,5}-[0-9]{1,5}$`, want: `two numbers from 1 to 65535, the lower one first, as in "8000-8100"`, reject: rejectRange},
	"host":       {pattern: `^[A-Za-z0-9_.:-]{1,253}$`, want: "an IP address or a host name"},
	"sha256":     {pattern: `^[0-9a-f]{64}$`, want: "64 hexadecimal digits in lower case"},
	"cron":       {want: `five fields (minute, hour, day of month, month, day of week), or as in "@hourly" or "@every 90s"`, reject: rejectCron},
	"timezone":   {want: `a time zone, as in "Europe/Berlin"`, reject: rejectTimezone},
	"regexp":     {want: "a regular expression (RE2) of at most 1000 characters", reject: rejectRegexp},
	"secret":     {pattern: `^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`, want: "the name of a secret: letters, digits, '.', '_' or '-'"},
	"match":      {pattern: "^(host|path)\\( *`[^`]+`( *, *`[^`]+`)* *\\)$", want: "host(`a`, `b`) or path(`/x/*`)", reject: rejectMatch},
}

// lazy compiles a pattern when it is first needed: every service links this
// package, and only who reads specs needs its patterns.
func lazy(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// compiled has the patterns of those shapes that nothing else decides.
var compiled = func() map[string]func() *regexp.Regexp {
	m := map[string]func() *regexp.Regexp{}
	for _, s := range shapes {
		if s.reject == nil {
			m[s.pattern] = lazy(s.pattern)
		}
	}
	return m
}()

const idWant = "a name of its own: a lower-case letter, then up to 63 letters, digits, '-' or '_'"

// platformSources are names under which the platform itself speaks, and "node",
// the entity of requests about all of it.
func platformSources() []string {
	names := []string{string(events.Launcher), string(events.Operator), string(events.NodeEntity)}
	for _, d := range events.Daemons() {
		names = append(names, string(d))
	}
	return names
}

func rejectID(text string) string {
	switch {
	case text == "":
		return "empty"
	case !idForm().MatchString(text):
		return fmt.Sprintf("found %q", shorten(text))
	case slices.Contains(platformSources(), text), events.Reserved(text):
		return fmt.Sprintf("%q is a name of the platform", text)
	}
	return ""
}

func rejectPort(text string) string {
	if text == PrimaryPort || !tokenForm().MatchString(text) {
		return fmt.Sprintf("found %q", shorten(text))
	}
	return ""
}

func rejectLocal(text string) string {
	if text == "" {
		return "empty"
	}
	if !filepath.IsLocal(text) {
		return fmt.Sprintf("found %q", shorten(text))
	}
	return ""
}

func rejectRelative(text string) string {
	if text == "" {
		return "empty"
	}
	if !filepath.IsAbs(text) {
		return fmt.Sprintf("%q is a relative path", shorten(text))
	}
	return ""
}

func rejectCommand(text string) string {
	switch {
	case text == "":
		return "empty"
	case !filepath.IsAbs(text) && strings.ContainsRune(text, filepath.Separator):
		return fmt.Sprintf("%q is a relative path", shorten(text))
	}
	return ""
}

func rejectAddress(text string) string {
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" || strings.ContainsAny(host, " /\\@?#") {
		return fmt.Sprintf("found %q", shorten(text))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Sprintf("%q has no port from 1 to 65535", shorten(text))
	}
	return ""
}

// rejectURL is for an HTTP endpoint.
func rejectURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return fmt.Sprintf("found %q", shorten(text))
	case u.User != nil:
		return "the URL has a user or a password"
	case u.Port() != "" && rejectAddress(u.Host) != "":
		return rejectAddress(u.Host)
	}
	return ""
}

const urlWant = "a URL, as in http://127.0.0.1:{ports.primary}/health"

func rejectMatch(text string) string {
	_, err := parseMatch(text)
	if err != nil {
		return err.Error()
	}
	return ""
}

func rejectEmpty(text string) string {
	if text == "" {
		return "empty"
	}
	return ""
}

func rejectEnvFile(text string) string {
	path := strings.TrimPrefix(text, "-")
	if path == "" {
		return "empty"
	}
	if !filepath.IsAbs(path) && !filepath.IsLocal(path) {
		return fmt.Sprintf("found %q", shorten(text))
	}
	return ""
}

func rejectRange(text string) string {
	if _, _, ok := parseRange(text); !ok {
		return fmt.Sprintf("found %q", shorten(text))
	}
	return ""
}

func rejectCron(text string) string {
	if text == "" {
		return "empty"
	}
	if _, err := ParseSchedule(text); err != nil {
		return err.Error()
	}
	return ""
}

func rejectTimezone(text string) string {
	if _, err := time.LoadLocation(text); err != nil || text == "" || text == "Local" {
		return fmt.Sprintf("found %q", shorten(text))
	}
	return ""
}

func rejectRegexp(text string) string {
	if text == "" {
		return "empty"
	}
	if len(text) > 1000 {
		return fmt.Sprintf("found %d characters", len(text))
	}
	if _, err := regexp.Compile(text); err != nil {
		return fmt.Sprintf("%q is none (%s)", shorten(text), strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return ""
}
