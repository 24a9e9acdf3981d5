// Package archive unpacks what others packed: tar, tar.gz, tar.xz, tar.zst, zip,
// and single files that are no archive at all.
//
// # Usage
//
//	u := archive.Unpacker{Root: root, Limits: archive.Limits{Packed: size}}
//	err := u.Unpack(ctx, file, "tool-1.2-linux-amd64.tar.gz", "tool")
//	files := u.Files()
//
// # What is refused
//
// An archive is hostile until proven otherwise. Everything is written through an
// [os.Root], and beside that these are an [*Error]: absolute names, names with
// "..", backslashes or control characters, links that lead out of the tree or
// below another link, entries that pass through a link, devices and FIFOs, a
// name that is there twice, names that differ in case only where that matters,
// too many files, too many bytes, and content that unpacks to far more than it
// was packed to. Of modes only the nine permission bits stay, without those that
// let others write. An archive that ends early is one that is damaged, whatever
// could be read of it.
//
// [Unpacker.Layer] unpacks a layer of an image over those before it: there a
// name may come again, a whiteout removes one, and an absolute link means the
// image's own root.
//
// # Concurrency
//
// An Unpacker belongs to one goroutine.
//
// # Testing
//
// Hostile archives are a table; FuzzUnpack unpacks anything and looks for what
// has come to lie outside.
//
// # Sources
//
// tar: POSIX.1-2001 (pax) and the GNU extensions that [archive/tar] reads; layers:
// the image layer specification of OCI, whose whiteouts are "Whiteouts" there.
package archive
