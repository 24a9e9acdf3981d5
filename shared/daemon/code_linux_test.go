package daemon

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
)

// The code that nobody runs is not in memory afterwards, and what runs goes on.
func TestForgetCode(t *testing.T) {
	before := residentCode(t)
	if err := forgetCode(); err != nil {
		t.Fatal(err)
	}
	after := residentCode(t)
	if before == 0 || after >= before {
		t.Errorf("%d kB of code are resident, and were %d before", after, before)
	}
	Loaded()
}

// residentCode is how much of this program's code is in memory, in kB.
func residentCode(t *testing.T) (kilobytes int) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	code := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if fields := strings.Fields(line); len(fields) > 4 {
			code = fields[1] == "r-xp" && fields[len(fields)-1] == exe
		}
		var n int
		if _, err := fmt.Sscanf(line, "Rss: %d kB", &n); err == nil && code {
			kilobytes += n
		}
	}
	return kilobytes
}
