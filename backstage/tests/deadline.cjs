/* Loaded before each file of tests: one that does not end says what holds it. */
process.on('SIGTERM', () => {
  const open = process.getActiveResourcesInfo().sort();
  process.stderr.write(`ended from outside; still open: ${open.join(', ')}\n`);
  process.exit(1);
});
