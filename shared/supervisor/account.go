package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"core.internal/shared/events"
	"core.internal/shared/process"
	"core.internal/shared/spec"
)

// account is whom a service runs as.
type account struct {
	process.Account
	name, home string // empty where the machine does not know
}

// accountOf looks up process.user and process.group; nil where they leave the
// supervisor's own account, whose numbers are given.
func accountOf(s spec.Located, uid, gid int) (*account, error) {
	p := s.Process
	if p.User == "" && p.Group == "" {
		return nil, nil
	}
	a := &account{Account: process.Account{UID: uint32(uid), GID: uint32(gid), KeepGroups: true}}
	if p.User != "" {
		u, err := lookUser(string(p.User))
		switch n, numeric := strconv.ParseUint(string(p.User), 10, 32); {
		case err == nil:
			if err := a.become(u, p.Group == ""); err != nil {
				return nil, s.Errorf("process.user", "", "look up user %q: %v", p.User, err)
			}
		case numeric == nil && p.Group == "":
			return nil, s.Errorf("process.user", "process.group beside it", "this machine knows no user %d, hence no group of it", n)
		case numeric == nil:
			a.Account = process.Account{UID: uint32(n)}
		default:
			return nil, s.Errorf("process.user", "the name or number of a user of this machine: add it with useradd, or name another", "there is no user %q", p.User)
		}
	}
	if p.Group != "" {
		g, err := user.LookupGroup(string(p.Group))
		n, numeric := strconv.ParseUint(string(p.Group), 10, 32)
		if err == nil {
			n, numeric = strconv.ParseUint(g.Gid, 10, 32)
		}
		if numeric != nil {
			return nil, s.Errorf("process.group", "the name or number of a group of this machine: add it with groupadd, or name another", "there is no group %q", p.Group)
		}
		a.GID = uint32(n)
	}
	if uid == 0 {
		return a, nil
	}
	const fix = "a node that runs as root or as that user, or leave it out"
	switch {
	case int(a.UID) != uid:
		return nil, s.Errorf("process.user", fix, "the node runs as user %d and cannot run a service as %q", uid, p.User)
	case int(a.GID) != gid:
		return nil, s.Errorf("process.group", fix, "the node runs with group %d and cannot run a service with %q", gid, p.Group)
	}
	return nil, nil // as it is
}

func lookUser(text string) (*user.User, error) {
	u, err := user.Lookup(text)
	if err != nil {
		u, err = user.LookupId(text)
	}
	return u, err
}

// become takes the numbers of a user of this machine.
func (a *account) become(u *user.User, group bool) error {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return err
	}
	a.Account = process.Account{UID: uint32(uid), GID: uint32(gid)}
	for _, id := range ids {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return err
		}
		a.Groups = append(a.Groups, uint32(n))
	}
	a.name, a.home = u.Username, u.HomeDir
	return nil
}

// search is the permission to reach what is in a directory.
const search = 0o011

// admit lets an account reach what the platform made for a service: the
// directories on the way may be passed, not read, by everybody; the service's own
// directories and its credential are the account's.
func (b *Services) admit(s spec.Located, root *os.Root, a *account) error {
	if a == nil || a.UID == 0 {
		return nil
	}
	id := string(s.ID)
	l := b.Layout
	passages := []string{l.Root, l.Bin(), l.Dir, filepath.Dir(l.Data(id)), filepath.Dir(l.Conf(id)), l.Logs(), l.Keys()}
	for _, dir := range passages {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && info.Mode().Perm()&search != search {
			err = os.Chmod(dir, info.Mode().Perm()|search)
		}
		if err != nil {
			return s.Errorf("process.user", "", "let user %d pass %s: %v", a.UID, dir, err)
		}
	}
	for dir := filepath.Dir(l.Root); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && !a.mayPass(info) {
			return s.Errorf("process.user", "a node directory that the user can reach: choose another with --root, or chmod o+x "+dir,
				"user %d cannot pass %s, which is above the node directory", a.UID, dir)
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	for _, dir := range []string{l.Data(id), l.Conf(id)} {
		if err := give(root, l.Dir, dir, a); err != nil {
			return s.Errorf("process.user", "", "give %s to user %d: %v", dir, a.UID, err)
		}
	}
	seed, err := filepath.Rel(l.Dir, l.Seed(events.Source(id)))
	if err == nil {
		err = root.Lchown(seed, int(a.UID), int(a.GID))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s.Errorf("process.user", "", "give the service's credential to user %d: %v", a.UID, err)
	}
	return nil
}

// mayPass reports whether the account may reach what is in a directory.
func (a *account) mayPass(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	mode := info.Mode().Perm()
	if st.Uid == a.UID {
		return mode&0o100 != 0
	}
	for _, g := range append([]uint32{a.GID}, a.Groups...) {
		if g == st.Gid {
			return mode&0o010 != 0
		}
	}
	return mode&0o001 != 0
}

// give makes an account the owner of a directory, and where it was another's, of
// all in it. Links are given, not what they point to, and files with several names
// are left alone: another of them may be elsewhere.
func give(root *os.Root, base, dir string, a *account) error {
	rel, err := within(base, dir)
	if err != nil {
		return err
	}
	if info, err := root.Lstat(rel); err != nil || ownedBy(info, a) {
		return err
	}
	own, err := root.OpenRoot(rel)
	if err != nil {
		return err
	}
	defer own.Close()
	err = fs.WalkDir(own.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := own.Lstat(path)
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 && !info.IsDir() || path == "." {
			return nil
		}
		return own.Lchown(path, int(a.UID), int(a.GID))
	})
	if err != nil {
		return err
	}
	return root.Lchown(rel, int(a.UID), int(a.GID)) // last: what was interrupted is done again
}

func ownedBy(info fs.FileInfo, a *account) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Uid == a.UID && st.Gid == a.GID
}

// checkLog refuses a log file in a place where the account, or anybody, could put
// a link: the supervisor writes it with rights of its own.
func checkLog(s spec.Located, field, path string, a *account) error {
	if a == nil || a.UID == 0 || path == "" {
		return nil
	}
	refuse := func(where, why string) error {
		return s.Errorf(field, "a file in {shared.log.dir}, or in a directory that only root can change", "beside process.user: %s %s", where, why)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return refuse(path, "is a symbolic link")
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return refuse(filepath.Dir(path), "does not exist")
	}
	if err != nil {
		return s.Errorf(field, "", "%v", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return s.Errorf(field, "", "%v", err)
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		switch {
		case ok && st.Uid == a.UID:
			return refuse(dir, fmt.Sprintf("belongs to user %d", st.Uid))
		case info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0:
			return refuse(dir, fmt.Sprintf("can be written by others (mode %04o)", info.Mode().Perm()))
		case dir == filepath.Dir(dir):
			return nil
		}
	}
}
