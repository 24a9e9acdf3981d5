package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"core.internal/shared/process"
)

// Digest identifies what a command runs: equal digests are equal commands but
// for the instance, the log files and how it is stopped.
func Digest(c process.Command) string {
	h := sha256.New()
	write := func(s string) { fmt.Fprintf(h, "%d:%s", len(s), s) }
	write(c.Path)
	write(c.Dir)
	for _, list := range [][]string{c.Args, c.Env} {
		fmt.Fprintf(h, "%d[", len(list))
		for _, s := range list {
			write(s)
		}
	}
	if c.Attributes.Some() {
		b, err := json.Marshal(c.Attributes)
		if err != nil { // plain data
			panic("digest of a command: " + err.Error())
		}
		write(string(b))
	}
	return hex.EncodeToString(h.Sum(nil))
}
