// Package browser tests the console as a person sees it: a real browser, driven
// over its debugging protocol, against a whole node. It has no code of its own.
//
// The browser is Chromium as the machine has it; where there is none the tests
// are skipped and say what to install. With CORE_SCREENSHOTS set to a directory
// they leave pictures of the pages there.
package browser
