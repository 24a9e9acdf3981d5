package spec

// ServiceID names a service: it is one token of a subject and begins with a
// lower-case letter.
type ServiceID string

// The comments of these types are the generated reference, and the spec tags are
// what Parse and the JSON Schema demand of a value; see rule. A member whose
// JSON tag omits nothing is required.

// Service is one service as its JSON document describes it.
type Service struct {
	// Unique name on the node: a lower-case letter, then letters, digits, '-' or '_'.
	ID ServiceID `json:"id" spec:"shape=id"`
	// Name shown to people; the id if empty.
	DisplayName string `json:"displayName,omitempty" spec:"shape=line"`
	// One sentence on what the service does.
	Description string `json:"description,omitempty" spec:"shape=line"`
	// One emoji or short text shown beside the name.
	Icon string `json:"icon,omitempty" spec:"shape=icon"`
	// Whether the boot fails when this service does not become healthy.
	Required bool `json:"required,omitempty"`
	// Where the binary comes from; nothing is installed if absent.
	Dep *Dep `json:"dep,omitempty"`
	// What to run.
	Process Process `json:"process"`
	// Ports the service listens on.
	Ports Ports `json:"ports,omitzero"`
	// Where its output goes.
	Logging Logging `json:"logging,omitzero"`
	// How to know that it works.
	Health Health `json:"health,omitzero"`
	// How the edge exposes it over HTTP.
	Caddy Caddy `json:"caddy,omitzero"`
	// Services that must be ready first, or stages: "core.bus", "core.edge", "core.controller", "core.pipelines". A text, or an object that says what must be true of the other. A service that depends on core.bus has a credential of its own for the bus, and CORE_BUS_URL and CORE_BUS_SEED_FILE in its environment.
	Dependencies []Dependency `json:"dependencies,omitempty" spec:"unique"`
	// Profiles that enable the service by default.
	Profiles []string `json:"profiles,omitempty" spec:"shape=token;unique"`
}

// Dep says how the service's binary gets onto the machine.
type Dep struct {
	// Name of the installed binary.
	Name string `json:"name" spec:"shape=file"`
	// Version to install, as in "7.2.4".
	Version string `json:"version,omitempty" spec:"shape=version;must=source:github-release|go-install|oci"`
	// Where it comes from: "go-build" is a package of this workspace, "system" a command on PATH. The others are downloaded, and verified against the lock file that `launcher dep lock` writes.
	Source Source `json:"source" spec:"enum=go-build|system|github-release|http|file|go-install|oci"`
	// What to install. For go-build the package path; for system the command (the name if empty); for github-release the name of the release's asset; for file an absolute path, or one below the spec's directory; for go-install the path of the command's package; for oci "registry/repository", with the version as its tag. In all but the first two {version}, {os} and {arch} are replaced.
	Asset string `json:"asset,omitempty" spec:"shape=template;when=source:go-build|system|github-release|file|go-install|oci;must=source:go-build|github-release|file|go-install|oci"`
	// For github-release: the repository, as in "owner/name"; "<name>/<name>" if empty.
	Repo string `json:"repo,omitempty" spec:"shape=repo;when=source:github-release"`
	// For github-release: the release's tag; "v{version}" if empty, or "{version}" where there is no such tag.
	Tag string `json:"tag,omitempty" spec:"shape=template;when=source:github-release"`
	// For http: the URL, in which {version}, {os} and {arch} are replaced.
	URL string `json:"url,omitempty" spec:"shape=asset-url;when=source:http;must"`
	// Path of the binary inside the archive, or a list of several; {version}, {os} and {arch} are replaced. If empty, the archive's only file with the dependency's name, else its only file, else all its executable files.
	Bin Paths `json:"bin,omitempty" spec:"shape=inner;least=1;most=64;unique;single;when=source:github-release|http|file|oci"`
}

// Paths are one or more paths. In JSON one may stand without its list.
type Paths []string

// Source is where a dependency comes from.
type Source string

// The sources of the schema.
const (
	SourceGoBuild       Source = "go-build"
	SourceSystem        Source = "system"
	SourceGitHubRelease Source = "github-release"
	SourceHTTP          Source = "http"
	SourceFile          Source = "file"
	SourceGoInstall     Source = "go-install"
	SourceOCI           Source = "oci"
)

// Ports are the ports a service listens on.
type Ports struct {
	// The main port, {ports.primary} in placeholders.
	Primary *Port `json:"primary,omitempty"`
	// Further ports, {ports.<name>} in placeholders.
	Additional []NamedPort `json:"additional,omitempty"`
}

// Port is one port on the loopback address.
type Port struct {
	// Number from 1 to 65535, or 0 for any free port.
	Port int `json:"port" spec:"min=0;max=65535;unless=range"`
	// The first free port from one number to another, as in "8000-8100", in place of a number.
	Range string `json:"range,omitempty" spec:"shape=range"`
	// Address the service listens on, for health checks and the edge.
	Host string `json:"host,omitempty" spec:"shape=host;default=127.0.0.1"`
	// What is spoken there.
	Protocol string `json:"protocol,omitempty" spec:"enum=tcp|udp|http|https|grpc;default=tcp"`
}

// NamedPort is an additional port.
type NamedPort struct {
	// Name, unique within the service.
	Name string `json:"name" spec:"shape=port"`
	Port
}

// Caddy is a service's exposure over HTTP.
type Caddy struct {
	// Whether the edge forwards requests to the service.
	Expose bool `json:"expose,omitempty"`
	// Routes; <id>.localhost to the primary port if none.
	Routes []Route `json:"routes,omitempty"`
}

// Route is one route of the edge.
type Route struct {
	// Matchers that all must hold, at most one of each: host(`a`, `b`), where "*." may stand for one label in front, and path(`/x/*`), which is about how a path begins. None matches every request.
	Match []string `json:"match,omitempty" spec:"shape=match"`
	// Handlers; exactly one, a reverse_proxy.
	Handle []Handler `json:"handle" spec:"least=1;most=1"`
}

// Handler is what the edge does with a request.
type Handler struct {
	// What is done.
	Handler string `json:"handler" spec:"enum=reverse_proxy"`
	// Addresses as host:port; the primary port if empty.
	Upstreams []string `json:"upstreams,omitempty" spec:"placeholders;shape=address;unique"`
	// Active check by the edge.
	HealthCheck *HealthCheck `json:"health_check,omitempty"`
}

// HealthCheck is an active check of upstreams by the edge.
type HealthCheck struct {
	// Path requested.
	Path string `json:"path" spec:"shape=path"`
	// Time between checks.
	Interval Duration `json:"interval,omitempty" spec:"default=5s"`
	// Time one check may take.
	Timeout Duration `json:"timeout,omitempty" spec:"default=2s"`
}
