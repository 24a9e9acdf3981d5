package spec

// Logging says where the output goes.
type Logging struct {
	// Who writes the files.
	Provider string `json:"provider,omitempty" spec:"enum=shared/log;default=shared/log"`
	// File for standard output; a file named after the service if empty.
	Stdout string `json:"stdout,omitempty" spec:"placeholders;shape=absolute"`
	// File for standard error; the same as for standard output if empty.
	Stderr string `json:"stderr,omitempty" spec:"placeholders;shape=absolute"`
	// How the service writes its lines. Of JSON the members level, msg and time are understood; auto finds out line by line.
	Format string `json:"format,omitempty" spec:"enum=auto|json|text;default=auto"`
	// Size at which a file is rotated, as in "16M"; the node's setting if absent.
	MaxSize Size `json:"maxSize,omitempty" spec:"positive"`
	// How many rotated files are kept; any number if 0.
	MaxFiles int `json:"maxFiles,omitempty" spec:"min=0;max=100000"`
	// How long rotated files are kept, as in "7d" or "12h".
	Retention Duration `json:"retention,omitempty"`
	// Whether each line in the file begins with the time.
	Timestamps bool `json:"timestamps,omitempty"`
	// Which lines belong together.
	Multiline *Multiline `json:"multiline,omitempty"`
	// The most that travels over the bus; files get everything.
	RateLimit *RateLimit `json:"rateLimit,omitempty"`
}

// Multiline joins lines to one entry, such as those of a stack trace.
type Multiline struct {
	// Regular expression (RE2) of a line that continues the one before.
	Pattern string `json:"pattern" spec:"shape=regexp"`
	// Lines of one entry, after which another begins.
	MaxLines int `json:"maxLines,omitempty" spec:"min=1;max=10000;default=500"`
}

// RateLimit is how many lines of a service travel over the bus; how many more there were is said.
type RateLimit struct {
	// Lines in that time.
	Lines int `json:"lines" spec:"min=1;max=1000000"`
	// Time in which they are counted.
	Per Duration `json:"per,omitempty" spec:"positive;default=1s"`
}
