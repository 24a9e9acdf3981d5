package spec

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written as a text such as "512K", "64M" or "2G", in
// powers of 1024, or as a plain number.
type Size int64

// sizeUnits are the letters of a size, each 1024 times the one before.
const sizeUnits = "KMGT"

// ParseSize reads a size.
func ParseSize(s string) (Size, error) {
	number, unit := s, 0
	if s != "" {
		if i := strings.IndexByte(sizeUnits, s[len(s)-1]); i >= 0 {
			number, unit = s[:len(s)-1], i+1
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || strings.HasPrefix(number, "+") {
		return 0, fmt.Errorf(`size %q: want whole bytes, or a number with K, M, G or T, as in "64M"`, shorten(s))
	}
	if n > math.MaxInt64>>(10*unit) {
		return 0, fmt.Errorf("size %q: more than %d bytes", s, int64(math.MaxInt64))
	}
	return Size(n << (10 * unit)), nil
}

// String writes the size so that [ParseSize] reads it, in the largest unit of
// which it is a whole number.
func (s Size) String() string {
	n, unit := int64(s), 0
	for n != 0 && n%1024 == 0 && unit < len(sizeUnits) {
		n, unit = n/1024, unit+1
	}
	text := strconv.FormatInt(n, 10)
	if unit > 0 {
		text += sizeUnits[unit-1 : unit]
	}
	return text
}

// MarshalJSON implements [json.Marshaler].
func (s Size) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// UnmarshalJSON implements [json.Unmarshaler].
func (s *Size) UnmarshalJSON(b []byte) (err error) {
	text, err := literal(b)
	if err != nil {
		return err
	}
	*s, err = ParseSize(text)
	return err
}

// literal is the text of a JSON string, or a JSON number as it is written.
func literal(b []byte) (text string, err error) {
	if len(b) > 0 && b[0] == '"' {
		err = json.Unmarshal(b, &text)
		return text, err
	}
	return string(b), nil
}

// Limit is the most of something that a process may have.
type Limit int64

// Unlimited is no limit at all, written "unlimited".
const Unlimited Limit = -1

// ParseLimit reads a whole number, a size or "unlimited".
func ParseLimit(s string) (Limit, error) {
	if s == "unlimited" {
		return Unlimited, nil
	}
	n, err := ParseSize(s)
	if err != nil {
		return 0, fmt.Errorf(`limit %q: want a whole number, a size as in "64M", or "unlimited"`, shorten(s))
	}
	return Limit(n), nil
}

// String writes the limit so that [ParseLimit] reads it.
func (l Limit) String() string {
	if l == Unlimited {
		return "unlimited"
	}
	return Size(l).String()
}

// MarshalJSON implements [json.Marshaler].
func (l Limit) MarshalJSON() ([]byte, error) { return json.Marshal(l.String()) }

// UnmarshalJSON implements [json.Unmarshaler].
func (l *Limit) UnmarshalJSON(b []byte) (err error) {
	text, err := literal(b)
	if err != nil {
		return err
	}
	*l, err = ParseLimit(text)
	return err
}

// Cores is a number of processors in thousandths, written as 1.5 or "1.5".
type Cores int64

const maxCores = 4096

// ParseCores reads a number of processors with up to three decimals.
func ParseCores(s string) (Cores, error) {
	whole, decimals, point := strings.Cut(s, ".")
	n, err := strconv.ParseUint(whole, 10, 32)
	ok := err == nil && !strings.HasPrefix(whole, "+") && len(decimals) <= 3 && (decimals != "" || !point)
	var part uint64
	if ok && point {
		part, err = strconv.ParseUint((decimals + "00")[:3], 10, 32)
		ok = err == nil && !strings.HasPrefix(decimals, "+")
	}
	if !ok {
		return 0, fmt.Errorf(`%q is no number of processors: want one with up to three decimals, as in "1.5"`, shorten(s))
	}
	c := Cores(n*1000 + part)
	if c == 0 || c > maxCores*1000 {
		return 0, fmt.Errorf("%s is out of range: want 0.001 to %d", s, maxCores)
	}
	return c, nil
}

// String writes the number so that [ParseCores] reads it.
func (c Cores) String() string {
	text := fmt.Sprintf("%d.%03d", int64(c)/1000, int64(c)%1000)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// MarshalJSON implements [json.Marshaler].
func (c Cores) MarshalJSON() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalJSON implements [json.Unmarshaler].
func (c *Cores) UnmarshalJSON(b []byte) (err error) {
	text, err := literal(b)
	if err != nil {
		return err
	}
	*c, err = ParseCores(text)
	return err
}
