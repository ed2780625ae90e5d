package bbolt

import "syscall"

const mapPopulate = syscall.MAP_POPULATE
