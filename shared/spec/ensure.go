package spec

// Ensure is one idempotent preparation.
type Ensure struct {
	// What to do: write a file from a template or with a content, make a directory, copy a file, point a symbolic link at one, or download one.
	Type EnsureType `json:"type" spec:"enum=template|mkdir|file|copy|symlink|download"`
	// For template: the source, relative to the spec's directory.
	Template string `json:"template,omitempty" spec:"shape=local;when=type:template;must"`
	// For copy the file copied, for symlink what the link points to; relative paths are relative to the spec's directory.
	Source string `json:"source,omitempty" spec:"placeholders;shape=filled;when=type:copy|symlink;must"`
	// For file: what it is to have; nothing if absent.
	Content string `json:"content,omitempty" spec:"placeholders;secrets;when=type:file"`
	// For all but mkdir: the file to write, or the link.
	Target string `json:"target,omitempty" spec:"placeholders;shape=absolute;when=type:template|file|copy|symlink|download;must"`
	// For mkdir: the directory.
	Path string `json:"path,omitempty" spec:"placeholders;shape=absolute;when=type:mkdir;must"`
	// Permissions in octal, as in "0640"; "0700" for a directory and "0600" for a file if absent.
	Mode Mode `json:"mode,omitempty" spec:"when=type:mkdir|template|file|copy|download"`
	// For download: where from, over HTTP.
	URL string `json:"url,omitempty" spec:"placeholders;shape=url;when=type:download;must"`
	// For download: the SHA-256 of what is there.
	SHA256 string `json:"sha256,omitempty" spec:"shape=sha256;when=type:download;must"`
	// For download: the most that is taken, and the most that it may become when extracted.
	MaxSize Size `json:"maxSize,omitempty" spec:"positive;when=type:download;default=1G"`
	// For download: the kind of archive it is; target is then the directory with what is in it.
	Extract string `json:"extract,omitempty" spec:"enum=none|tar.gz|tar.xz|zip;when=type:download;default=none"`
	// Whether it may be outside the node directory.
	Outside bool `json:"outside,omitempty"`
}

// EnsureType is a kind of preparation.
type EnsureType string

// Preparations.
const (
	EnsureTemplate EnsureType = "template"
	EnsureMkdir    EnsureType = "mkdir"
	EnsureFile     EnsureType = "file"
	EnsureCopy     EnsureType = "copy"
	EnsureSymlink  EnsureType = "symlink"
	EnsureDownload EnsureType = "download"
)
