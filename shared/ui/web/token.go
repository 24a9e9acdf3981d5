package web

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Token is the secret that lets a person into the console.
type Token string

// minToken is the shortest token accepted, in characters.
const minToken = 16

// NewToken returns a fresh token of 256 random bits.
func NewToken() Token {
	var b [32]byte
	rand.Read(b[:])
	return Token(base64.RawURLEncoding.EncodeToString(b[:]))
}

// LoadToken reads the token from a file that only its owner can read. Where
// there is none it mints one; of two processes that do so at once one wins and
// both return its token.
func LoadToken(file string) (Token, error) {
	for range 2 {
		info, err := os.Stat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if err := mint(file); err != nil && !errors.Is(err, fs.ErrExist) {
				return "", fmt.Errorf("mint the console's token: %w", err)
			}
			continue
		case err != nil:
			return "", fmt.Errorf("read the console's token: %w", err)
		case info.Mode().Perm()&0o077 != 0:
			return "", fmt.Errorf("read the console's token: %s has mode %04o and others could read it: chmod 600 it, or remove it to have a new one minted", file, info.Mode().Perm())
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read the console's token: %w", err)
		}
		t := strings.TrimSpace(string(b))
		if len(t) < minToken {
			return "", fmt.Errorf("read the console's token: %s has %d characters, at least %d are needed: remove it to have a new one minted", file, len(t), minToken)
		}
		return Token(t), nil
	}
	return "", fmt.Errorf("read the console's token: %s went away as it was read", file)
}

// mint writes a new token, complete from the moment it has its name.
func mint(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".token-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(string(NewToken()) + "\n")
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Link(tmp.Name(), file)
}
