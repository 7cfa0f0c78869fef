C     CANTILEVER BEAM BY FINITE ELEMENTS (EULER-BERNOULLI, HERMITE).
C     READS A DECK IN FIXED COLUMNS FROM UNIT 5 = CANT.DAT,
C     PRINTS TABLES TO UNIT 6 = CANT.LST.
C
C     DECK   1  TITLE                                  A60
C            2  NUMBER OF ELEMENTS, LENGTH             I5, F10.0
C            3  YOUNG'S MODULUS, WIDTH, HEIGHT         3E14.0
C            4  LOAD AT THE TIP, LOAD PER LENGTH       2E14.0
      PROGRAM CANT
      INTEGER MAXEL, MAXEQ
      PARAMETER (MAXEL = 200, MAXEQ = 2*MAXEL)
      CHARACTER*60 TITLE
      INTEGER NEL, I, J, K, IEQ, JEQ, NEQ
      DOUBLE PRECISION L, E, B, H, P, Q, EI, A
      DOUBLE PRECISION S(4,4), BAND(4,MAXEQ), F(MAXEQ)
      DOUBLE PRECISION X, V, T, BM, SIG
      OPEN (5, FILE='CANT.DAT', STATUS='OLD')
      OPEN (6, FILE='CANT.LST')
      READ (5, '(A60)') TITLE
      READ (5, '(I5,F10.0)') NEL, L
      READ (5, '(3E14.0)') E, B, H
      READ (5, '(2E14.0)') P, Q
      WRITE (6, 100) TITLE, NEL, L, E, B, H, P, Q
      IF (NEL .LT. 1 .OR. NEL .GT. MAXEL) THEN
         WRITE (6, '(A)') ' *** ERROR *** TOO FEW OR MANY ELEMENTS'
         STOP
      END IF
      IF (H .LE. 0D0 .OR. B .LE. 0D0 .OR. E .LE. 0D0) THEN
         WRITE (6, '(A)') ' *** ERROR *** SECTION WITHOUT STIFFNESS'
         STOP
      END IF
      EI = E*B*H**3/12D0
      A = L/NEL
      CALL STIFF(S, EI, A)
      NEQ = 2*NEL
      DO 10 I = 1, NEQ
         F(I) = 0D0
         DO 10 J = 1, 4
   10    BAND(J,I) = 0D0
C     BAND(K,J) IS ELEMENT (J, J+K-1) OF THE SYMMETRIC MATRIX.  THE TWO
C     UNKNOWNS OF THE CLAMPED NODE ARE LEFT OUT.
      DO 40 K = 1, NEL
         DO 30 I = 1, 4
            IEQ = 2*(K-2) + I
            IF (IEQ .LT. 1) GO TO 30
            DO 20 J = I, 4
               JEQ = 2*(K-2) + J
               BAND(JEQ-IEQ+1,IEQ) = BAND(JEQ-IEQ+1,IEQ) + S(I,J)
   20       CONTINUE
            IF (MOD(I,2) .EQ. 1) F(IEQ) = F(IEQ) + Q*A/2D0
            IF (I .EQ. 2) F(IEQ) = F(IEQ) + Q*A*A/12D0
            IF (I .EQ. 4) F(IEQ) = F(IEQ) - Q*A*A/12D0
   30    CONTINUE
   40 CONTINUE
      F(NEQ-1) = F(NEQ-1) + P
      CALL SOLVE(BAND, F, NEQ)
      WRITE (6, 200)
      DO 50 I = 0, NEL
         X = I*A
         V = 0D0
         T = 0D0
         IF (I .GT. 0) V = F(2*I-1)
         IF (I .GT. 0) T = F(2*I)
         BM = P*(L-X) + Q*(L-X)**2/2D0
         WRITE (6, 300) I, X, V, T, BM
   50 CONTINUE
      BM = P*L + Q*L**2/2D0
      SIG = 6D0*BM/(B*H**2)
      WRITE (6, 400) F(NEQ-1), SIG
      STOP
  100 FORMAT (' CANTILEVER BEAM'/1X,A60/' ELEMENTS ',I5,'  LENGTH',F10.4
     1 /' E',1PE14.6,'  B',E14.6,'  H',E14.6/' P',E14.6,'  Q',E14.6/)
  200 FORMAT (' NODE         X    DEFLECTION         SLOPE',
     1 '        MOMENT'/1X,57('-'))
  300 FORMAT (1X,I4,F10.4,1P3D14.6)
  400 FORMAT (/' TIP DEFLECTION  =',1PD15.7/' LARGEST STRESS  =',D15.7)
      END
C     STIFFNESS OF ONE ELEMENT OF LENGTH A.
      SUBROUTINE STIFF(S, EI, A)
      DOUBLE PRECISION S(4,4), EI, A, C
      INTEGER I, J
      C = EI/A**3
      S(1,1) = 12D0*C
      S(1,2) = 6D0*A*C
      S(1,3) = -12D0*C
      S(1,4) = 6D0*A*C
      S(2,2) = 4D0*A*A*C
      S(2,3) = -6D0*A*C
      S(2,4) = 2D0*A*A*C
      S(3,3) = 12D0*C
      S(3,4) = -6D0*A*C
      S(4,4) = 4D0*A*A*C
      DO 10 I = 2, 4
         DO 10 J = 1, I-1
   10    S(I,J) = S(J,I)
      END
C     GAUSS WITHOUT PIVOTS IN A SYMMETRIC BAND OF FOUR DIAGONALS.
      SUBROUTINE SOLVE(BAND, F, N)
      INTEGER N, I, J, K
      DOUBLE PRECISION BAND(4,N), F(N), R
      DO 30 I = 1, N-1
         DO 20 J = 2, MIN(4, N-I+1)
            R = BAND(J,I)/BAND(1,I)
            DO 10 K = J, MIN(4, N-I+1)
   10       BAND(K-J+1,I+J-1) = BAND(K-J+1,I+J-1) - R*BAND(K,I)
            F(I+J-1) = F(I+J-1) - R*F(I)
   20    CONTINUE
   30 CONTINUE
      DO 50 I = N, 1, -1
         DO 40 J = 2, MIN(4, N-I+1)
   40    F(I) = F(I) - BAND(J,I)*F(I+J-1)
         F(I) = F(I)/BAND(1,I)
   50 CONTINUE
      END
