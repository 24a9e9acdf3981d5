package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"core.internal/shared/bus"
	"core.internal/shared/events"
)

// Stores.
const (
	Memory = "memory"
	File   = "file"
)

// Config is what one bus server needs.
type Config struct {
	Node   events.Node
	Listen string // host:port, port 0 for any; empty for in-process connections only
	Store  string // Memory (the default) or File
	// StoreDir holds the file store, under its own name. A memory store keeps there
	// what is gone when it ends; in the directory for temporary files if empty.
	StoreDir string
	Keys     string // the key directory
	// Sync is how often the file store is written through to the disk, "always"
	// or a duration; always if empty, so that an acknowledged fact is on disk.
	Sync string
	Log  *slog.Logger
	// Refused is told of clients that were turned away, at most once a second;
	// its Count says how many there were. May be nil.
	Refused func(events.ClientRefused)
}

// Names of the server's accounts: everybody is in the platform's.
const (
	account       = "CORE"
	systemAccount = "SYS"
)

// Limits of JetStream in bytes. Nothing is allocated in advance; streams reserve
// against them.
const (
	memoryLimit = 64 << 30
	fileLimit   = 4 << 40
)

func (c Config) validate() error {
	var errs []error
	if err := events.CheckToken(string(c.Node)); err != nil {
		errs = append(errs, fmt.Errorf("node: %w", err))
	}
	if c.Listen != "" {
		if _, _, err := c.address(); err != nil {
			errs = append(errs, fmt.Errorf("bus.listen: %w", err))
		}
	}
	if c.Store != Memory && c.Store != File {
		errs = append(errs, fmt.Errorf("bus.store is %q: want %q or %q", c.Store, Memory, File))
	}
	if c.Store == File && c.StoreDir == "" {
		errs = append(errs, errors.New("the file store needs a directory"))
	}
	if c.Keys == "" {
		errs = append(errs, errors.New("the bus needs a key directory"))
	}
	for _, s := range []string{c.StoreDir, c.Sync} {
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == '"' || r == 0x7f }) {
			errs = append(errs, fmt.Errorf("%q has a character that the server's configuration cannot hold", s))
		}
	}
	return errors.Join(errs...)
}

func (c Config) address() (host string, port int, err error) {
	host, p, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return "", 0, fmt.Errorf("%w: want host:port", err)
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%q has no port from 0 to 65535", c.Listen)
	}
	return host, port, nil
}

func (c Config) store() bus.Store { return bus.Store{File: c.Store == File} }

// render returns the configuration in the server's own language. Accounts are
// declared here, because those built by hand lose stream leaders on a restart,
// and so is max_file, because only text can say 0.
func (c Config) render(dir string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	host, port := "127.0.0.1", 0
	if c.Listen != "" {
		host, port, _ = c.address()
	}
	if port == 0 {
		port = -1 // the server's word for any
	}
	line("server_name: %q", "busd-"+string(c.Node))
	line("host: %q", host)
	line("port: %d", port)
	line("max_payload: %d", 1<<20)
	line("write_deadline: %q", "5s")
	line("ping_interval: %q", "20s")
	line("system_account: %s", systemAccount)
	line("accounts {")
	line("  %s: {}", systemAccount)
	line("  %s: { jetstream: enabled }", account)
	line("}")
	line("jetstream {")
	line("  store_dir: \"%s\"", strings.ReplaceAll(filepath.ToSlash(dir), `\`, `\\`))
	line("  max_memory_store: %d", memoryLimit)
	if c.Store == File {
		line("  max_file_store: %d", fileLimit)
		sync := c.Sync
		if sync == "" {
			sync = "always"
		}
		line("  sync_interval: %q", sync)
	} else {
		line("  max_file_store: 0")
	}
	line("}")
	return b.String()
}
