package cowbtree

type pageAddr struct{ block, bytes, crc uint32 }

const pageRecordHead = 14
