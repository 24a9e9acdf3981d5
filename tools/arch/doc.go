// Command arch checks that the tree keeps to the architecture and to the rules
// of style that can be checked, and draws the diagram of its modules.
//
// # Usage
//
//	go run ./tools/arch                    # check the workspace around the working directory
//	go run ./tools/arch -rules rows,pure   # only some rules
//	go run ./tools/arch -list              # what is checked
//	go run ./tools/arch -diagram           # print the Mermaid diagram
//	go run ./tools/arch -update            # put the diagram into docs/architecture.md
//
// Each message names the file and line, the rule, what is wrong and what to do.
// The exit status is 0 where there is none, 1 where there are some, 2 where the
// tree cannot be read.
//
// A comment exempts the line it stands on, or the one below, and needs a reason;
// one that exempts nothing is a problem itself:
//
//	//arch:ignore pure: the zero seed is passed in by the caller
//
// # How
//
// Files are parsed, not compiled, whatever their build constraints, so that a
// tree that does not compile can be checked too. Two rules ask the go command:
// pure needs the types of the decision packages and services what a service
// links. Tests are held to fewer rules than the code they test.
//
// # Testing
//
// Each file in testdata is a tree and the messages it gives.
package main
