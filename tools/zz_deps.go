package tools

import (
	_ "golang.org/x/mod/modfile"
	_ "golang.org/x/tools/go/packages"
)
