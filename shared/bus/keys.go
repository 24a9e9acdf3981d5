package bus

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"core.internal/shared/config"
	"core.internal/shared/events"
)

const (
	seedExt   = ".nk"
	publicExt = ".pub"
)

// SeedFile is where a key directory has the seed of a source.
func SeedFile(dir string, s events.Source) string {
	return filepath.Join(dir, string(s)+seedExt)
}

// PublicFile is where a key directory has the public key of a source.
func PublicFile(dir string, s events.Source) string {
	return filepath.Join(dir, string(s)+publicExt)
}

// PublicFileOf returns whose public key a file has by its name; false where it is
// no such file.
func PublicFileOf(file string) (events.Source, bool) {
	name, ok := strings.CutSuffix(filepath.Base(file), publicExt)
	return events.Source(name), ok && events.CheckToken(name) == nil
}

// Mint makes sure that a source has a key pair in dir: its seed, which only the
// owner may read, and its public key, by which the bus knows it. An existing
// seed is kept, also where several processes mint at once; one that cannot be used
// is a [*CredentialError].
//
// The seeds of the platform are written through to the disk. A service's is
// not, because there may be many: nobody but the node has it, and one that a loss
// of power emptied is made anew.
func Mint(dir string, s events.Source) error {
	fail := func(err error) error { return fmt.Errorf("mint a key for %s in %s: %w", s, dir, err) }
	if err := events.CheckToken(string(s)); err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	seed, err := readSeed(SeedFile(dir, s))
	if errors.Is(err, errEmptySeed) && !lasting(s) {
		if err = os.Remove(SeedFile(dir, s)); err == nil || errors.Is(err, fs.ErrNotExist) {
			err = fs.ErrNotExist
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		seed, err = create(SeedFile(dir, s), lasting(s))
	}
	if err != nil {
		return fail(err)
	}
	pair, err := nkeys.FromSeed(seed)
	if err != nil {
		return fail(err)
	}
	defer pair.Wipe()
	public, err := pair.PublicKey()
	if err != nil {
		return fail(err)
	}
	if old, err := os.ReadFile(PublicFile(dir, s)); err == nil && string(bytes.TrimSpace(old)) == public {
		return nil
	}
	// It follows from the seed, which is safe on the disk: no need to wait for it.
	if err := config.Replace(PublicFile(dir, s), []byte(public+"\n"), 0o644); err != nil {
		return fail(err)
	}
	return nil
}

// lasting reports whether a source is one of the platform, not a service.
func lasting(s events.Source) bool {
	return slices.Contains(append(events.Daemons(), events.Launcher, events.Operator), s)
}

// create writes a new seed, or returns the one that somebody else wrote first.
func create(file string, through bool) ([]byte, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, err
	}
	defer pair.Wipe()
	seed, err := pair.Seed()
	seed = bytes.Clone(seed) // wiping the pair wipes the original
	if err != nil {
		return nil, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".seed-*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(seed, '\n'))
	if through {
		err = errors.Join(err, tmp.Sync())
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(tmp.Name(), file); errors.Is(err, fs.ErrExist) {
		return readSeed(file)
	} else if err != nil {
		return nil, err
	}
	return seed, nil
}

// CredentialError says that a seed's file cannot be used. [Mint] and [Connect]
// return it.
type CredentialError struct {
	File string
	Err  error  // goes on where the file's name ends: "is no nkey seed: …"
	Fix  string // what to do
}

func (e *CredentialError) Error() string {
	return fmt.Sprintf("the credential %s %v: %s", e.File, e.Err, e.Fix)
}

func (e *CredentialError) Unwrap() error { return e.Err }

var errEmptySeed = errors.New("is empty")

// readSeed returns the seed of a user. What is wrong with a file that is there is
// a [*CredentialError].
func readSeed(file string) ([]byte, error) {
	fail := func(fix, format string, args ...any) ([]byte, error) {
		return nil, &CredentialError{File: file, Err: fmt.Errorf(format, args...), Fix: fix}
	}
	const anew = "remove it for a new one"
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, err
	case err != nil:
		return fail("let its owner reach it", "cannot be read: %w", err)
	case !info.Mode().IsRegular():
		return fail(anew, "is no file")
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fail("chmod 600 it, or "+anew, "has mode %04o and others may read it", mode)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return fail("let its owner read it", "cannot be read: %w", err)
	}
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return fail(anew, "%w", errEmptySeed)
	}
	prefix, _, err := nkeys.DecodeSeed(b)
	if err == nil && prefix != nkeys.PrefixByteUser {
		err = fmt.Errorf("it is one of another kind (%s)", prefix)
	}
	if err != nil {
		return fail(anew, "is no nkey seed of a user: %w", err)
	}
	return b, nil
}

// Sources lists the public keys of a key directory. A file that holds no public
// key of a user is an error that names it; the others are returned all the same.
func Sources(dir string) (map[events.Source]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the key directory: %w", err)
	}
	keys := map[events.Source]string{}
	var errs []error
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), publicExt)
		if !ok {
			continue
		}
		if err := events.CheckToken(name); err != nil {
			errs = append(errs, fmt.Errorf("public key %s: %w", filepath.Join(dir, e.Name()), err))
			continue
		}
		key, err := Public(dir, events.Source(name))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		keys[events.Source(name)] = key
	}
	return keys, errors.Join(errs...)
}

// Public returns the public key of a source.
func Public(dir string, s events.Source) (string, error) {
	file := PublicFile(dir, s)
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the public key of %s: %w", s, err)
	}
	key := string(bytes.TrimSpace(b))
	if !nkeys.IsValidPublicUserKey(key) {
		return "", fmt.Errorf("read the public key of %s: %s holds no public nkey of a user", s, file)
	}
	return key, nil
}

// credential signs with the seed in a file, read anew for each connection. That it
// was damaged meanwhile is logged, once: no attempt to reconnect succeeds then.
func (c *Conn) credential(file string) (nats.Option, error) {
	fail := func(err error) error { return fmt.Errorf("read the credential for the bus: %w", err) }
	seed, err := readSeed(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fail(fmt.Errorf("%w: run the launcher once, or busd alone, to mint it", err))
	}
	if err != nil {
		return nil, fail(err)
	}
	pair, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, fail(err)
	}
	defer pair.Wipe()
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fail(err)
	}
	said := "" // the library never connects twice at once
	return nats.Nkey(public, func(nonce []byte) ([]byte, error) {
		seed, err := readSeed(file)
		if err != nil {
			if said != err.Error() {
				said = err.Error()
				c.log.Error("cannot connect to the bus", "error", fail(err))
			}
			return nil, fail(err)
		}
		said = ""
		pair, err := nkeys.FromSeed(seed)
		if err != nil {
			return nil, fail(err)
		}
		defer pair.Wipe()
		return pair.Sign(nonce)
	}), nil
}
