from srgrid.cli import main

main()
