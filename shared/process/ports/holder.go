package ports

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Holder is the process that listens on a port. PID is 0 where the process
// belongs to another user and cannot be seen; User is known then.
type Holder struct {
	PID     int
	Command string // its command line
	User    string
}

func (h Holder) String() string {
	if h.PID == 0 {
		return "a process of user " + h.User
	}
	return fmt.Sprintf("pid %d (%s) of user %s", h.PID, h.Command, h.User)
}

// HolderOf returns the process that listens on a TCP port of this machine.
func HolderOf(port int) (Holder, bool) { return find("tcp", port) }

// HolderOn is HolderOf for a port of a transport, tcp or udp.
func HolderOn(network string, port int) (Holder, bool) { return find(network, port) }

// states of a socket in /proc/net that keep others from binding it: LISTEN for
// tcp, unconnected for udp.
var bound = map[string]string{"tcp": "0A", "udp": "07"}

// looks is how often the table of udp is read at most. The kernel hands a table out a
// page at a time and, at each page, counts the rows of udp from the first: one that
// goes meanwhile takes another with it. Tables of tcp it continues where it was.
const looks = 8

func find(network string, port int) (Holder, bool) {
	sockets := socketsOf(network, port)
	if len(sockets) == 0 {
		return Holder{}, false
	}
	if pid := ownerOf(sockets); pid > 0 {
		return Holder{PID: pid, Command: commandOf(pid), User: userOf(pid)}, true
	}
	for _, uid := range sockets {
		return Holder{User: userName(uid)}, true
	}
	return Holder{}, false
}

// socketsOf are the sockets that keep others from binding a port: uid by inode.
func socketsOf(network string, port int) map[string]int {
	sockets, most := map[string]int{}, 1
	if network == "udp" {
		most = looks
	}
	for look := 0; len(sockets) == 0 && look < most; look++ {
		for _, version := range []string{"", "6"} {
			b, err := os.ReadFile("/proc/net/" + network + version)
			if err != nil {
				continue
			}
			maps.Copy(sockets, socketsOn(b, port, bound[network]))
		}
	}
	return sockets
}

// socketsOn reads a table of /proc/net.
func socketsOn(table []byte, port int, state string) map[string]int {
	found := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(table))
	for lines.Scan() {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
		f := strings.Fields(lines.Text())
		if len(f) < 10 || f[3] != state {
			continue
		}
		_, hex, ok := strings.Cut(f[1], ":")
		p, err := strconv.ParseUint(hex, 16, 16)
		if !ok || err != nil || int(p) != port || f[9] == "0" {
			continue
		}
		uid, err := strconv.Atoi(f[7])
		if err != nil {
			continue
		}
		found[f[9]] = uid
	}
	return found
}

// ownerOf returns the lowest pid that has one of the sockets open, 0 for none.
func ownerOf(sockets map[string]int) int {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0
	}
	lowest := 0
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || lowest > 0 && pid > lowest {
			continue
		}
		fds, err := os.ReadDir(dir + "/fd")
		if err != nil {
			continue
		}
		for _, fd := range fds {
			link, err := os.Readlink(dir + "/fd/" + fd.Name())
			if err != nil {
				continue
			}
			inode, ok := strings.CutPrefix(link, "socket:[")
			if !ok {
				continue
			}
			if _, ok := sockets[strings.TrimSuffix(inode, "]")]; ok {
				lowest = pid
				break
			}
		}
	}
	return lowest
}

// maxCommand is where a command line is cut off.
const maxCommand = 120

func commandOf(pid int) string {
	dir := "/proc/" + strconv.Itoa(pid)
	b, _ := os.ReadFile(dir + "/cmdline")
	s := strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(string(b), "?"), "\x00", " "))
	if s == "" {
		b, _ = os.ReadFile(dir + "/comm")
		s = strings.TrimSpace(strings.ToValidUTF8(string(b), "?"))
	}
	s = strings.Join(strings.Fields(s), " ") // an argument may have lines
	if len(s) > maxCommand {
		s = strings.ToValidUTF8(s[:maxCommand], "") + "…"
	}
	return s
}

func userOf(pid int) string {
	info, err := os.Stat("/proc/" + strconv.Itoa(pid))
	if err != nil {
		return "unknown"
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "unknown"
	}
	return userName(int(st.Uid))
}

func userName(uid int) string {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return strconv.Itoa(uid)
	}
	return u.Username
}
