package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"core.internal/shared/events"
)

// Validate reports every setting that cannot work. Parse does so too, and says
// where the value came from; this is for settings that were not parsed.
func (n Node) Validate() error {
	var errs []error
	fail := func(setting, value string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("setting %s=%q: %w", setting, show(value), err))
		}
	}
	for _, s := range []struct {
		name, value string
		check       func(string) error
	}{
		{"node", string(n.Name), checkNode},
		{"root", n.Root, checkRoot},
		{"bus.url", n.BusURL, checkBusURL},
		{"bus.listen", n.BusListen, checkListen},
		{"bus.store", n.BusStore, checkStore},
		{"bus.sync", n.BusSync, checkSync},
		{"edge.listen", n.EdgeListen, checkListen},
		{"dep.github", n.DepGitHub, checkGitHub},
		{"metrics.listen", n.MetricsListen, checkListen},
		{"log.level", n.LogLevel, checkLevel},
		{"log.format", n.LogFormat, checkFormat},
	} {
		fail(s.name, s.value, s.check(s.value))
	}
	for _, p := range n.Profiles {
		fail("profile", p, checkToken(p))
	}
	for _, dir := range n.Specs {
		if dir == "" || strings.Contains(dir, ",") {
			fail("specs", dir, errors.New("want a directory without a comma in its name"))
		}
	}
	for _, m := range n.DepMirrors {
		fail("dep.mirrors", m, checkMirror(m))
	}
	fail("stage.timeout", n.StageTimeout.String(), checkPositive(n.StageTimeout))
	fail("stop.timeout", n.StopTimeout.String(), checkPositive(n.StopTimeout))
	if len(errs) > 0 {
		return &UsageError{errors.Join(errs...)}
	}
	return nil
}

var (
	checkStore  = OneOf("memory", "file")
	checkLevel  = OneOf("debug", "info", "warn", "error")
	checkFormat = OneOf("auto", "text", "json")
)

func checkToken(text string) error {
	if events.CheckToken(text) != nil {
		return fmt.Errorf("want 1 to %d letters, digits, '-' or '_'", events.MaxToken)
	}
	return nil
}

// checkNode keeps a node's directory apart from what else a root has.
func checkNode(text string) error {
	if others := []string{binDir, specsDir, depsDir}; slices.Contains(others, text) {
		return fmt.Errorf("want another name: %s are directories beside those of nodes", strings.Join(others, ", "))
	}
	return checkToken(text)
}

func checkRoot(text string) error {
	if text == "" || strings.ContainsRune(text, 0) {
		return errors.New("want a directory")
	}
	return nil
}

// checkListen is for listeners without TLS: only loopback may have those.
func checkListen(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return errors.New("want host:port, as in 127.0.0.1:8080")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("want a port from 0 to 65535")
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return errors.New("a listener beyond loopback requires TLS, which is not supported yet: want 127.0.0.1, [::1] or localhost")
	}
	return nil
}

// checkBusURL is for one URL, or several of one cluster with commas between.
func checkBusURL(text string) error {
	if text == "" {
		return nil
	}
	for one := range strings.SplitSeq(text, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.Host == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			return errors.New("want a URL, as in nats://127.0.0.1:4222")
		}
		if u.User != nil {
			return errors.New("want no user or password in a URL: name the file with the credential in bus.seed-file")
		}
	}
	return nil
}

// checkWeb is for an address of a web server.
func checkWeb(text, want string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New(want)
	case u.User != nil:
		return errors.New("want no user or password in a URL")
	}
	return nil
}

func checkGitHub(text string) error {
	return checkWeb(text, "want a URL, as in https://github.com or https://github.example.org/api/v3")
}

func checkMirror(text string) error {
	const want = "want prefix=replacement, as in https://github.com/=https://mirror.example.org/github/"
	prefix, replacement, ok := strings.Cut(text, "=")
	if !ok || strings.Contains(text, ",") {
		return errors.New(want)
	}
	if err := checkWeb(prefix, want); err != nil {
		return err
	}
	return checkWeb(replacement, want)
}

func checkSync(text string) error {
	if d, err := time.ParseDuration(text); text != "" && text != "always" && (err != nil || d <= 0) {
		return errors.New(`want "always" or a duration of more than 0, as in "1s"`)
	}
	return nil
}

func checkPositive(d time.Duration) error {
	if d <= 0 {
		return errors.New("want a duration of more than 0")
	}
	return nil
}
