package ports

import (
	"fmt"
	"math/rand/v2"
	"os"
)

// lowest is where the search for a free port begins.
const lowest = 20000

// Free returns a port of the loopback address that nobody has bound. It lies
// below the range from which the kernel serves those who ask for any port, so
// that none of them takes it before its owner does.
func Free(network string) (int, error) {
	end := ephemeral()
	if end-lowest < 1000 {
		return bind(network, 0)
	}
	var err error
	for range 100 {
		var n int
		if n, err = bind(network, lowest+rand.IntN(end-lowest)); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("find a free %s port from %d to %d: %w", network, lowest, end-1, err)
}

// ephemeral is the first port that the kernel hands out by itself; see
// ip_local_port_range in ip(7).
func ephemeral() int {
	const usual = 32768
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return usual
	}
	var first, last int
	if _, err := fmt.Sscan(string(b), &first, &last); err != nil {
		return usual
	}
	return first
}
