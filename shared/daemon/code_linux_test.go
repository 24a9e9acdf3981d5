package daemon

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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

// What a debugger has written into the code stays there.
func TestForgetCodeSparesWhatIsWritten(t *testing.T) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	var end int64
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, " r-xp ") && strings.HasSuffix(line, " "+exe+"\n") {
			if _, err := fmt.Sscanf(line, "%x-%x", new(int64), &end); err != nil {
				t.Fatal(err)
			}
		}
	}
	memory, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer memory.Close()
	at := end - 1 // after the last instruction
	was, now := make([]byte, 1), make([]byte, 1)
	if _, err := memory.ReadAt(was, at); err != nil {
		t.Fatal(err)
	}
	written := []byte{^was[0]}
	if _, err := memory.WriteAt(written, at); err != nil {
		t.Skipf("nobody may write here: %v", err)
	}
	defer func() { // the page is the file's again
		page := os.Getpagesize()
		if _, _, e := unix.Syscall(unix.SYS_MADVISE, uintptr(end)-uintptr(page), uintptr(page), unix.MADV_DONTNEED); e != 0 {
			t.Error(e)
		}
	}()
	if err := forgetCode(); err != nil {
		t.Fatal(err)
	}
	if _, err := memory.ReadAt(now, at); err != nil || now[0] != written[0] {
		t.Errorf("%x became %x, want %x: %v", was, now, written, err)
	}
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
