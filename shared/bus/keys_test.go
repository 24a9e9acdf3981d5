package bus_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nkeys"

	"core.internal/shared/bus"
	"core.internal/shared/events"
)

func TestMint(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := bus.Mint(dir, "alpha"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seed, err := os.ReadFile(bus.SeedFile(dir, "alpha"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := bus.Public(dir, "alpha")
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]os.FileMode{dir: 0o700, bus.SeedFile(dir, "alpha"): 0o600} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v", file, info.Mode(), err)
		}
	}
	if err := os.Remove(bus.PublicFile(dir, "alpha")); err != nil {
		t.Fatal(err)
	}
	if err := bus.Mint(dir, "alpha"); err != nil {
		t.Fatal(err)
	}
	if again, err := bus.Public(dir, "alpha"); err != nil || again != public {
		t.Errorf("the public key became %s, %v", again, err)
	}
	if again, _ := os.ReadFile(bus.SeedFile(dir, "alpha")); string(again) != string(seed) {
		t.Error("the seed changed")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
	keys, err := bus.Sources(dir)
	if err != nil || len(keys) != 1 || keys["alpha"] != public {
		t.Errorf("got %v, %v", keys, err)
	}
}

func TestMintRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		source events.Source
		spoil  func(seed string) error
		want   string
	}{
		{"a name that is no token", "a/b", nil, `mint a key for a/b in `},
		{"a seed that others may read", "alpha", func(seed string) error { return os.Chmod(seed, 0o644) }, "has mode 0644 and others may read it: chmod 600 it"},
		{"a file that is no seed", "alpha", func(seed string) error { return os.WriteFile(seed, []byte("hello"), 0o600) }, "alpha.nk is no nkey seed of a user: "},
		{"a seed that was cut", "alpha", func(seed string) error { return os.Truncate(seed, 30) }, "alpha.nk is no nkey seed of a user: "},
		{"an empty file", "operator", func(seed string) error { return os.Truncate(seed, 0) }, "operator.nk is empty: remove it for a new one"},
		{"a directory", "alpha", func(seed string) error { return errors.Join(os.Remove(seed), os.Mkdir(seed, 0o700)) }, "alpha.nk is no file: "},
		{"a seed of an account", "alpha", func(seed string) error {
			pair, err := nkeys.CreateAccount()
			if err != nil {
				return err
			}
			other, err := pair.Seed()
			if err != nil {
				return err
			}
			return os.WriteFile(seed, other, 0o600)
		}, "it is one of another kind (account): remove it for a new one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if c.spoil != nil {
				if err := bus.Mint(dir, c.source); err != nil {
					t.Fatal(err)
				}
				if err := c.spoil(bus.SeedFile(dir, c.source)); err != nil {
					t.Fatal(err)
				}
			}
			if err := bus.Mint(dir, c.source); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// A service's seed that a loss of power emptied is made anew.
func TestMintMendsWhatIsEmpty(t *testing.T) {
	dir := t.TempDir()
	if err := bus.Mint(dir, "alpha"); err != nil {
		t.Fatal(err)
	}
	before, err := bus.Public(dir, "alpha")
	if err := errors.Join(err, os.Truncate(bus.SeedFile(dir, "alpha"), 0), bus.Mint(dir, "alpha")); err != nil {
		t.Fatal(err)
	}
	if now, err := bus.Public(dir, "alpha"); err != nil || now == before {
		t.Errorf("public key %q, %v: want another than before", now, err)
	}
	if info, err := os.Stat(bus.SeedFile(dir, "alpha")); err != nil || info.Size() == 0 {
		t.Errorf("the seed: %v, %v", info, err)
	}
}

func TestSourcesNamesBadFiles(t *testing.T) {
	dir := t.TempDir()
	if err := bus.Mint(dir, "alpha"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bad.pub", "a b.pub", "README"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := bus.Sources(dir)
	if len(keys) != 1 {
		t.Errorf("got %v", keys)
	}
	for _, want := range []string{"bad.pub holds no public nkey", `the name "a b" has ' '`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := bus.Sources(filepath.Join(dir, "missing")); err == nil || !strings.Contains(err.Error(), "read the key directory") {
		t.Errorf("got %v", err)
	}
}
