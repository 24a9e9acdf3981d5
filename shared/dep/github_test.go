package dep

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"core.internal/shared/dep/lock"
	"core.internal/shared/spec"
)

// hub is a GitHub with one repository.
type hub struct {
	*site
	token string
	tags  map[string][]releaseAsset
}

func newHub(t *testing.T) *hub {
	h := &hub{site: &site{files: map[string][]byte{}}, tags: map[string][]releaseAsset{}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.asked = append(h.asked, r.URL.Path)
		tag, isTag := strings.CutPrefix(r.URL.Path, "/api/v3/repos/o/tool/releases/tags/")
		_, isAsset := strings.CutPrefix(r.URL.Path, "/api/v3/repos/o/tool/releases/assets/")
		switch {
		case h.token != "" && r.Header.Get("Authorization") != "Bearer "+h.token:
			http.NotFound(w, r) // as GitHub does for what is not public
		case isTag && h.tags[tag] != nil:
			json.NewEncoder(w).Encode(release{TagName: tag, Assets: h.tags[tag]})
		case isAsset && r.Header.Get("Accept") != "application/octet-stream":
			http.Error(w, "want octet-stream", http.StatusNotAcceptable)
		case h.files[r.URL.Path] != nil:
			w.Write(h.files[r.URL.Path])
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hub) release(tag, name string, content []byte) {
	browser, api := "/o/tool/releases/download/"+tag+"/"+name, "/api/v3/repos/o/tool/releases/assets/"+fmt.Sprint(len(h.files))
	h.files[browser], h.files[api] = content, content
	h.tags[tag] = append(h.tags[tag], releaseAsset{Name: name, URL: h.URL + api, BrowserURL: h.URL + browser, Size: int64(len(content)), Digest: "sha256:" + hashBytes(content)})
}

func TestGitHub(t *testing.T) {
	h, s := newHub(t), newStore(t)
	s.GitHub = h.URL
	s.Platform = "linux/amd64"
	h.release("v1.0", "tool-1.0-linux-amd64", []byte(script("one")))
	h.release("1.1", "tool-1.1-linux-amd64", []byte(script("bare tag")))
	h.release("release/1.2", "tool-1.2-linux-amd64", []byte(script("own tag")))
	w := Want{Dep: spec.Dep{Name: "tool", Version: "1.0", Source: spec.SourceGitHubRelease, Repo: "o/tool", Asset: "tool-{version}-{os}-{arch}"}}
	for _, tt := range []struct{ version, tag, says string }{{"1.0", "", "one"}, {"1.1", "", "bare tag"}, {"1.2", "release/{version}", "own tag"}} {
		w.Version, w.Tag = tt.version, tt.tag
		l := mustLock(t, s, w)
		if !strings.HasPrefix(l[0].Asset.URL, h.URL+"/o/tool/releases/download/") {
			t.Errorf("locked %+v", l)
		}
		os.RemoveAll(s.in(partialDir))
		says(t, mustInstall(t, s, w)["tool"], tt.says)
	}
	w.Version, w.Tag = "1.0", ""
	_, err := s.Lock(t.Context(), []Want{w}, Locking{Platforms: []string{"windows/arm64"}}, nil)
	refuses(t, err, `release v1.0 of o/tool has no asset "tool-1.0-windows-arm64" for windows/arm64; it has tool-1.0-linux-amd64: correct field dep.asset`)
	w.Version = "9"
	_, err = s.Lock(t.Context(), []Want{w}, Locking{}, nil)
	refuses(t, err, "o/tool has no release with the tag v9 or 9: correct field dep.version, dep.tag or dep.repo")
	// What GitHub says of an asset must be true.
	h.release("v3", "tool-3-linux-amd64", []byte(script("three")))
	h.tags["v3"][0].Digest = "sha256:" + hashBytes([]byte("x"))
	w.Version = "3"
	_, err = s.Lock(t.Context(), []Want{w}, Locking{}, nil)
	refuses(t, err, "and GitHub says "+hashBytes([]byte("x")))
	w.Repo = ""
	if w.repo() != "tool/tool" {
		t.Errorf("the repository is %s", w.repo())
	}
}

// A token opens what is not public, and is seen nowhere.
func TestGitHubToken(t *testing.T) {
	h, s := newHub(t), newStore(t)
	s.GitHub, s.Platform, h.token = h.URL+"/api/v3/", "linux/amd64", "t0k3n"
	h.release("v1.0", "tool", []byte(script("private")))
	w := Want{Dep: spec.Dep{Name: "tool", Version: "1.0", Source: spec.SourceGitHubRelease, Repo: "o/tool", Asset: "tool"}}
	_, err := s.Lock(t.Context(), []Want{w}, Locking{}, nil)
	refuses(t, err, "set CORE_GITHUB_TOKEN")
	s.Token = h.token
	mustLock(t, s, w)
	os.RemoveAll(s.in(partialDir))
	says(t, mustInstall(t, s, w)["tool"], "private")
	h.files = nil
	os.RemoveAll(s.in())
	_, err = s.Ensure(t.Context(), []Want{w}, nil)
	if err == nil || strings.Contains(err.Error(), s.Token) {
		t.Error(err)
	}
	b, _ := os.ReadFile(filepath.Join(s.Root, lock.Name))
	if bytes.Contains(b, []byte(s.Token)) {
		t.Errorf("the lock file has it: %s", b)
	}
}

func TestAPI(t *testing.T) {
	for base, want := range map[string]string{
		"": "https://api.github.com", "https://github.com": "https://api.github.com", "https://github.com/": "https://api.github.com", "https://api.github.com": "https://api.github.com",
		"https://git.example.org": "https://git.example.org/api/v3", "https://git.example.org/api/v3/": "https://git.example.org/api/v3",
	} {
		if got := (Network{GitHub: base}).api(); got != want {
			t.Errorf("%s: %s, want %s", base, got, want)
		}
	}
}
