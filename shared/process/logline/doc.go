// Package logline understands lines that programs log: how severe they are, when
// they were written and what they say.
//
// # Usage
//
//	level := logline.Level(logline.Auto, text)
//	e := logline.Parse(logline.Auto, text) // the time and the message too
//
// Of JSON the usual members are known (those of log/slog, zap, zerolog, logrus,
// bunyan, pino), of text key=value pairs and the beginnings of lines that loggers
// write: a level after dates, names in brackets and numbers. A word in a sentence
// is no level.
//
// # Concurrency
//
// All is pure.
//
// # Testing
//
// Tables of real lines, and FuzzParse.
package logline
