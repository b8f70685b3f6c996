from querencia.cli import main

main()
